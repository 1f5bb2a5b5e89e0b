"""The figures of an evaluation, from scores of real photographs and from made ones."""

import json

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError
from appliance.labeling.labeler import Labeler
from appliance.workshop.models.paths import BUNDLE, LABELS, OTHER_SETS
from appliance.workshop.models.scores import WITH_FLOWERS, EvaluationScores


@pytest.fixture
def scores(few_photographs):
    return EvaluationScores(Labeler(read_bundle(BUNDLE)))


@pytest.fixture
def made(scores):
    """Scores of four flowers, two things and three images."""
    scores.truth = np.array([0, 1, 2, 3])
    scores.flowers = np.array([
        [0.9, 0.0, 0.0, 0.0, 0.0],
        [0.6, 0.5, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.4, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.2, 0.1],
    ])  # fmt: skip
    scores.others["clothing"] = np.array([[0.5, 0.5, 0.0, 0.0, 0.0], [0.1, 0.2, 0.0, 0.0, 0.0]])
    scores.images = {
        "cat.bmp": np.array([0.0, 0.7, 0.1, 0.0, 0.0]),
        "parrot.jpg": np.array([0.0, 0.3, 0.1, 0.0, 0.0]),
        WITH_FLOWERS[0]: np.array([0.9, 0.0, 0.0, 0.0, 0.0]),
    }
    return scores


def test_every_photograph_of_the_val_parts_is_scored(scores):
    assert scores.truth.tolist() == [0, 1, 2, 3, 4]
    assert scores.flowers.shape == (5, 5)
    assert {name: values.shape for name, values in scores.others.items()} == dict.fromkeys(OTHER_SETS, (1, 5))
    assert set(scores.images) == {*WITH_FLOWERS, "cat.bmp", "burger.jpg"}


def test_bundled_model_knows_its_flowers(scores):
    assert scores.flowers.argmax(axis=1).tolist() == scores.truth.tolist()
    assert scores.measure_top_1() == 1.0


def test_columns_follow_the_labels_of_the_package(few_photographs, bundled_copy):
    """Also if a model has its labels in another order."""
    expected = EvaluationScores(Labeler(read_bundle(BUNDLE)))
    labels = (bundled_copy / "dict.txt").read_text().split()
    (bundled_copy / "dict.txt").write_text("\n".join([*labels[4::-1], labels[5]]) + "\n")
    manifest = json.loads((bundled_copy / "manifest.json").read_text())
    del manifest["sha256"]
    (bundled_copy / "manifest.json").write_text(json.dumps(manifest))
    reversed_scores = EvaluationScores(Labeler(read_bundle(bundled_copy)))
    np.testing.assert_array_equal(reversed_scores.flowers, expected.flowers[:, ::-1])
    assert len(LABELS) == 5


def test_threshold_is_that_of_the_bundle(scores):
    assert scores.threshold == read_bundle(BUNDLE).confidence_threshold


def test_bundle_without_threshold_is_an_error(few_photographs, bundled_copy):
    manifest = json.loads((bundled_copy / "manifest.json").read_text())
    del manifest["confidenceThreshold"]
    (bundled_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="confidenceThreshold"):
        _ = EvaluationScores(Labeler(read_bundle(bundled_copy))).threshold


def test_top_1_counts_the_greatest_score_whatever_it_is(made):
    assert made.measure_top_1() == 0.75


@pytest.mark.parametrize(("threshold", "recall"), [(0.0, 1.0), (0.2, 1.0), (0.4, 0.75), (0.5, 0.5), (0.95, 0.0)])
def test_recall_counts_right_labels_at_the_threshold(made, threshold, recall):
    assert made.measure_recall(threshold) == recall


@pytest.mark.parametrize(("threshold", "precision"), [(0.6, 1 / 2), (0.5, 2 / 3), (0.4, 3 / 4), (0.95, 0.0)])
def test_precision_counts_all_labels_given(made, threshold, precision):
    assert made.measure_precision(threshold) == pytest.approx(precision)


def test_thing_with_two_labels_counts_once(made):
    assert made.measure_labeled("clothing", 0.5) == 0.5
    assert made.measure_labeled("clothing", 0.51) == 0.0


def test_labeled_images_are_those_without_flowers(made):
    assert made.list_labeled_images(0.5) == ["cat.bmp (dandelion 0.70)"]
    assert len(made.list_labeled_images(0.3)) == 2
    assert made.list_labeled_images(0.8) == []
