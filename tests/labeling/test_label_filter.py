"""Which labels count: the TFLite Task Library's rules, and thresholds by level."""

from pathlib import Path

import numpy as np
import pytest

from appliance.bundle.bundle import Bundle
from appliance.bundle.identity import ModelIdentity
from appliance.errors import LabelOptionError
from appliance.labeling.label_filter import LabelFilter
from appliance.settings.schema import LabelerSettings

FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")


def bundle(labels=FLOWERS, **bundle_values) -> Bundle:
    return Bundle(
        Path("flowers"),
        Path("flowers/model.tflite"),
        tuple(labels),
        ModelIdentity("flowers", "1.0", "0" * 64),
        **bundle_values,
    )


def select(scores, bundle_values=None, threshold=None, labels=FLOWERS, **options) -> list[str]:
    label_filter = LabelFilter(bundle(labels, **(bundle_values or {})), LabelerSettings(**options), threshold)
    return [label.label for label in label_filter.select(np.array(scores, np.float32))]


def test_score_at_the_threshold_is_kept():
    assert select([0.5, 0.49999, 0.5000001, 0, 1]) == ["tulips", "roses", "daisy"]
    assert select([0.1, 0.0999, 0, 0, 0], threshold=0.1) == ["daisy"]


def test_order_is_by_score_then_by_index():
    assert select([0.6, 0.9, 0.6, 0.9, 0.6]) == ["dandelion", "sunflowers", "daisy", "roses", "tulips"]


def test_label_has_its_score_and_index():
    label = LabelFilter(bundle(), LabelerSettings()).select(np.array([0, 0, 0.75, 0, 0], np.float32))[0]
    assert (label.label, label.score, label.index) == ("roses", 0.75, 2)
    assert type(label.score) is float and type(label.index) is int


def test_max_results_keeps_the_best():
    scores = [0.6, 0.9, 0.7, 0.8, 0.6]
    assert select(scores, max_results=1) == ["dandelion"]
    assert select(scores, max_results=3) == ["dandelion", "sunflowers", "roses"]
    assert len(select(scores, max_results=-1)) == len(select(scores, max_results=50)) == 5


def test_allow_and_deny():
    scores = [0.9] * 5
    assert select(scores, allow=("tulips", "daisy")) == ["daisy", "tulips"]
    assert select(scores, deny=("tulips", "daisy")) == ["dandelion", "roses", "sunflowers"]


def test_background_label_is_never_reported():
    bundle_values = {"background_label": "tulips"}
    assert select([0.6, 0, 0, 0, 0.9], bundle_values) == ["daisy"]
    assert select([0.6, 0, 0, 0, 0.9], bundle_values, allow=("tulips", "daisy")) == ["daisy"]


def test_threshold_of_0_reports_only_reportable_labels():
    label_filter = LabelFilter(bundle(), LabelerSettings(threshold=0.0, deny=("roses",)))
    scores = np.zeros(5, np.float32)
    assert [label.label for label in label_filter.select(scores)] == ["daisy", "dandelion", "sunflowers", "tulips"]
    assert (label_filter.mask(scores) >= label_filter.thresholds).tolist() == [True, True, False, True, True]


def test_mask_keeps_reportable_scores():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
    assert np.array_equal(LabelFilter(bundle(), LabelerSettings()).mask(scores), scores)
    masked = LabelFilter(bundle(), LabelerSettings(allow=("roses",))).mask(scores)
    assert masked.tolist() == [-np.inf, -np.inf, scores[2], -np.inf, -np.inf]
    assert scores[0] == np.float32(0.1)


def test_score_that_is_no_number_is_not_reported():
    assert select([np.nan, 0.9, np.nan, 0, 0]) == ["dandelion"]


@pytest.mark.parametrize(
    ("mqtt", "settings", "bundle_values", "common"),
    [
        (None, None, None, 0.5),
        (None, None, 0.3, 0.3),
        (None, 0.4, 0.3, 0.4),
        (0.2, 0.4, 0.3, 0.2),
        (0.0, 0.4, 0.3, 0.0),
        (None, 0.0, 0.3, 0.0),
    ],
)
def test_threshold_of_the_highest_level_is_in_force(mqtt, settings, bundle_values, common):
    label_filter = LabelFilter(bundle(confidence_threshold=bundle_values), LabelerSettings(threshold=settings), mqtt)
    assert label_filter.threshold == common
    assert label_filter.thresholds == pytest.approx(np.full(5, common))


def test_own_threshold_overrides_the_common_one_of_its_level():
    bundle_values = {"confidence_threshold": 0.3, "label_thresholds": {"roses": 0.9, "tulips": 0.8}}

    def thresholds(mqtt=None, **options):
        return LabelFilter(bundle(**bundle_values), LabelerSettings(**options), mqtt).thresholds.tolist()

    assert thresholds() == pytest.approx([0.3, 0.3, 0.9, 0.3, 0.8])
    assert thresholds(thresholds={"roses": 0.1}) == pytest.approx([0.3, 0.3, 0.1, 0.3, 0.8])
    assert thresholds(threshold=0.4) == pytest.approx([0.4] * 5)
    assert thresholds(threshold=0.4, thresholds={"roses": 0.1}) == pytest.approx([0.4, 0.4, 0.1, 0.4, 0.4])
    assert thresholds(0.6, threshold=0.4, thresholds={"roses": 0.1}) == pytest.approx([0.6] * 5)


def test_duplicate_name_refers_to_both_labels():
    labels = ("crane", "hen", "crane")
    assert select([0.9, 0.9, 0.9], labels=labels, deny=("crane",)) == ["hen"]
    assert select([0.3, 0.3, 0.4], labels=labels, thresholds={"crane": 0.3}) == ["crane", "crane"]


@pytest.mark.parametrize("option", [{"allow": ("Rose",)}, {"deny": ("Rose",)}, {"thresholds": {"Rose": 0.5}}])
def test_unknown_label_lists_similar_ones(option):
    with pytest.raises(LabelOptionError, match=r"no label 'Rose'; similar labels are 'roses'") as caught:
        LabelFilter(bundle(), LabelerSettings(**option))
    assert str(caught.value).startswith(next(iter(option)))


def test_dissimilar_label_lists_the_existing_ones():
    with pytest.raises(
        LabelOptionError, match="its 5 labels are 'daisy', 'dandelion', 'roses', 'sunflowers', 'tulips'"
    ):
        LabelFilter(bundle(), LabelerSettings(allow=("xyz",)))


@pytest.mark.parametrize(
    ("options", "threshold", "reason"),
    [
        ({"allow": ("daisy",), "deny": ("roses",)}, None, "mutually exclusive"),
        ({"deny": FLOWERS}, None, "leave no label"),
        ({"max_results": 0}, None, "max_results must be 1 or more, or -1"),
        ({"max_results": -2}, None, "max_results"),
        ({"threshold": 1.5}, None, "threshold must be from 0 to 1"),
        ({}, -0.1, "threshold must be from 0 to 1"),
        ({}, float("nan"), "threshold must be from 0 to 1"),
        ({"thresholds": {"roses": 2.0}}, None, "the threshold of 'roses' must be from 0 to 1"),
    ],
)
def test_invalid_options_are_rejected(options, threshold, reason):
    with pytest.raises(LabelOptionError, match=reason):
        LabelFilter(bundle(), LabelerSettings(**options), threshold)


def test_thousand_labels_are_filtered():
    labels = [f"label {index}" for index in range(1001)]
    scores = np.random.default_rng(3).random(1001).astype(np.float32)
    names = select(scores, labels=labels, threshold=0.0)
    assert names == [labels[index] for index in sorted(range(1001), key=lambda index: (-scores[index], index))]
