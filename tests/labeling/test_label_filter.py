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


def bundle(labels=FLOWERS, **said) -> Bundle:
    return Bundle(
        Path("flowers"), Path("flowers/model.tflite"), tuple(labels), ModelIdentity("flowers", "1.0", "0" * 64), **said
    )


def selected(scores, said=None, threshold=None, labels=FLOWERS, **options) -> list[str]:
    chosen = LabelFilter(bundle(labels, **(said or {})), LabelerSettings(**options), threshold)
    return [label.label for label in chosen.select(np.array(scores, np.float32))]


def test_a_score_at_the_threshold_is_kept():
    assert selected([0.5, 0.49999, 0.5000001, 0, 1]) == ["tulips", "roses", "daisy"]
    assert selected([0.1, 0.0999, 0, 0, 0], threshold=0.1) == ["daisy"]


def test_order_is_by_score_then_by_index():
    assert selected([0.6, 0.9, 0.6, 0.9, 0.6]) == ["dandelion", "sunflowers", "daisy", "roses", "tulips"]


def test_a_label_carries_its_score_and_index():
    label = LabelFilter(bundle(), LabelerSettings()).select(np.array([0, 0, 0.75, 0, 0], np.float32))[0]
    assert (label.label, label.score, label.index) == ("roses", 0.75, 2)
    assert type(label.score) is float and type(label.index) is int


def test_max_results_keeps_the_best():
    scores = [0.6, 0.9, 0.7, 0.8, 0.6]
    assert selected(scores, max_results=1) == ["dandelion"]
    assert selected(scores, max_results=3) == ["dandelion", "sunflowers", "roses"]
    assert len(selected(scores, max_results=-1)) == len(selected(scores, max_results=50)) == 5


def test_allow_and_deny():
    scores = [0.9] * 5
    assert selected(scores, allow=("tulips", "daisy")) == ["daisy", "tulips"]
    assert selected(scores, deny=("tulips", "daisy")) == ["dandelion", "roses", "sunflowers"]


def test_the_background_label_is_never_reported():
    said = {"background_label": "tulips"}
    assert selected([0.6, 0, 0, 0, 0.9], said) == ["daisy"]
    assert selected([0.6, 0, 0, 0, 0.9], said, allow=("tulips", "daisy")) == ["daisy"]


def test_a_threshold_of_0_reports_only_what_is_reportable():
    chosen = LabelFilter(bundle(), LabelerSettings(threshold=0.0, deny=("roses",)))
    scores = np.zeros(5, np.float32)
    assert [label.label for label in chosen.select(scores)] == ["daisy", "dandelion", "sunflowers", "tulips"]
    assert (chosen.mask(scores) >= chosen.thresholds).tolist() == [True, True, False, True, True]


def test_masked_leaves_reportable_scores_alone():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
    assert np.array_equal(LabelFilter(bundle(), LabelerSettings()).mask(scores), scores)
    masked = LabelFilter(bundle(), LabelerSettings(allow=("roses",))).mask(scores)
    assert masked.tolist() == [-np.inf, -np.inf, scores[2], -np.inf, -np.inf]
    assert scores[0] == np.float32(0.1)


def test_a_score_that_is_no_number_is_not_reported():
    assert selected([np.nan, 0.9, np.nan, 0, 0]) == ["dandelion"]


@pytest.mark.parametrize(
    ("mqtt", "settings", "said", "common"),
    [
        (None, None, None, 0.5),
        (None, None, 0.3, 0.3),
        (None, 0.4, 0.3, 0.4),
        (0.2, 0.4, 0.3, 0.2),
        (0.0, 0.4, 0.3, 0.0),
        (None, 0.0, 0.3, 0.0),
    ],
)
def test_the_threshold_of_the_highest_level_is_in_force(mqtt, settings, said, common):
    chosen = LabelFilter(bundle(confidence_threshold=said), LabelerSettings(threshold=settings), mqtt)
    assert chosen.threshold == common
    assert chosen.thresholds == pytest.approx(np.full(5, common))


def test_a_labels_own_threshold_beats_the_common_one_of_its_level_only():
    said = {"confidence_threshold": 0.3, "label_thresholds": {"roses": 0.9, "tulips": 0.8}}

    def thresholds(mqtt=None, **options):
        return LabelFilter(bundle(**said), LabelerSettings(**options), mqtt).thresholds.tolist()

    assert thresholds() == pytest.approx([0.3, 0.3, 0.9, 0.3, 0.8])
    assert thresholds(thresholds={"roses": 0.1}) == pytest.approx([0.3, 0.3, 0.1, 0.3, 0.8])
    assert thresholds(threshold=0.4) == pytest.approx([0.4] * 5)
    assert thresholds(threshold=0.4, thresholds={"roses": 0.1}) == pytest.approx([0.4, 0.4, 0.1, 0.4, 0.4])
    assert thresholds(0.6, threshold=0.4, thresholds={"roses": 0.1}) == pytest.approx([0.6] * 5)


def test_a_name_that_the_model_has_twice_means_both():
    labels = ("crane", "hen", "crane")
    assert selected([0.9, 0.9, 0.9], labels=labels, deny=("crane",)) == ["hen"]
    assert selected([0.3, 0.3, 0.4], labels=labels, thresholds={"crane": 0.3}) == ["crane", "crane"]


@pytest.mark.parametrize("option", [{"allow": ("Rose",)}, {"deny": ("Rose",)}, {"thresholds": {"Rose": 0.5}}])
def test_an_unknown_label_names_near_ones(option):
    with pytest.raises(LabelOptionError, match=r"no label 'Rose'; near it are 'roses'") as caught:
        LabelFilter(bundle(), LabelerSettings(**option))
    assert str(caught.value).startswith(next(iter(option)))


def test_a_label_unlike_any_names_those_there_are():
    with pytest.raises(
        LabelOptionError, match="its 5 labels are 'daisy', 'dandelion', 'roses', 'sunflowers', 'tulips'"
    ):
        LabelFilter(bundle(), LabelerSettings(allow=("xyz",)))


@pytest.mark.parametrize(
    ("options", "threshold", "says"),
    [
        ({"allow": ("daisy",), "deny": ("roses",)}, None, "exclude each other"),
        ({"deny": FLOWERS}, None, "leave no label"),
        ({"max_results": 0}, None, "max_results must be 1 or more, or -1"),
        ({"max_results": -2}, None, "max_results"),
        ({"threshold": 1.5}, None, "threshold must be from 0 to 1"),
        ({}, -0.1, "threshold must be from 0 to 1"),
        ({}, float("nan"), "threshold must be from 0 to 1"),
        ({"thresholds": {"roses": 2.0}}, None, "the threshold of 'roses' must be from 0 to 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, threshold, says):
    with pytest.raises(LabelOptionError, match=says):
        LabelFilter(bundle(), LabelerSettings(**options), threshold)


def test_a_thousand_labels():
    labels = [f"label {index}" for index in range(1001)]
    scores = np.random.default_rng(3).random(1001).astype(np.float32)
    names = selected(scores, labels=labels, threshold=0.0)
    assert names == [labels[index] for index in sorted(range(1001), key=lambda index: (-scores[index], index))]
