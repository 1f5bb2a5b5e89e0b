"""The figures, by AutoML's definitions, against counting by hand and against scikit-learn."""

import numpy as np
import pytest

from appliance.workshop.evaluation import metrics
from appliance.workshop.evaluation.metrics import NO_SCORE, THRESHOLD_GRID, Counts, Predictions


def make_predictions(scores, targets, labels=("red", "green", "blue")) -> Predictions:
    table = np.array(scores, np.float32).reshape(len(targets), len(labels))
    best = table.argmax(axis=1)
    return Predictions(tuple(labels), table, np.array(targets, np.intp), best, table[np.arange(len(best)), best])


def make_thresholds(threshold: float, labels: int = 3) -> np.ndarray:
    return np.full(labels, threshold, np.float32)


@pytest.fixture
def random_predictions() -> Predictions:
    random = np.random.default_rng(4)
    targets = random.integers(-1, 4, 300)
    scores = random.random((300, 4))
    scores[targets >= 0, targets[targets >= 0]] += 0.4
    return make_predictions(np.round(scores / scores.sum(axis=1, keepdims=True), 2), targets, ("a", "b", "c", "d"))


def test_precision_and_recall_follow_their_definitions():
    some = make_predictions([[0.9, 0.0, 0.0], [0.6, 0.7, 0.0], [0.2, 0.3, 0.4], [0.0, 0.8, 0.0]], [0, 1, 2, 0])
    counts = metrics.count_labels(some, make_thresholds(0.5))
    # Given: red; red and green; none; green. Right: red and green. With content: all four.
    assert counts == Counts(given=4, right=2, content=4)
    assert (counts.precision, counts.recall) == (0.5, 0.5)


def test_label_on_background_costs_precision_only():
    some = make_predictions([[0.9, 0.0, 0.0], [0.9, 0.0, 0.0]], [0, -1])
    counts = metrics.count_labels(some, make_thresholds(0.5))
    assert (counts.precision, counts.recall) == (0.5, 1.0)
    assert metrics.compute_accuracy(some) == 1.0


def test_without_given_labels_there_is_no_precision():
    counts = metrics.count_labels(make_predictions([[0.1, 0.2, 0.3]], [2]), make_thresholds(0.5))
    assert counts.precision is None
    assert counts.recall == 0.0


def test_without_content_there_is_no_recall_accuracy_or_area():
    some = make_predictions([[0.1, 0.2, 0.9]], [-1])
    assert metrics.count_labels(some, make_thresholds(0.5)).recall is None
    assert metrics.compute_accuracy(some) is None
    assert metrics.compute_area(some) is None
    assert metrics.compute_calibration(some).error is None


@pytest.mark.parametrize("place", [1, 29, 58, 70, 95])
def test_score_equal_to_the_threshold_passes(place):
    some = make_predictions([[place / 100, 0, 0]], [0])
    assert metrics.count_labels(some, make_thresholds(place / 100)).right == 1
    assert metrics.compute_curve(some)[place].right == 1
    assert metrics.compute_curve(some)[place + 1].right == 0


def test_curve_has_the_counts_at_each_threshold(random_predictions):
    assert list(metrics.compute_curve(random_predictions)) == [
        metrics.count_labels(random_predictions, make_thresholds(threshold, 4)) for threshold in THRESHOLD_GRID
    ]
    for label in range(4):
        alone = [
            metrics.count_each_label(random_predictions, make_thresholds(threshold, 4))[label]
            for threshold in THRESHOLD_GRID
        ]
        assert list(metrics.compute_curve(random_predictions, label)) == alone


def test_each_label_has_its_own_threshold():
    some = make_predictions([[0.6, 0.6, 0.0]], [0])
    assert metrics.count_labels(some, np.array([0.5, 0.7, 0.5])) == Counts(given=1, right=1, content=1)


def test_area_equals_scikit_learns_average_precision(random_predictions):
    average_precision = pytest.importorskip("sklearn.metrics").average_precision_score
    own = random_predictions.is_own_label
    assert metrics.compute_area(random_predictions) == pytest.approx(
        average_precision(own.ravel(), random_predictions.scores.ravel())
    )
    for label in range(4):
        assert metrics.compute_area(random_predictions, label) == pytest.approx(
            average_precision(own[:, label], random_predictions.scores[:, label])
        )


def test_missing_label_is_never_given_and_limits_recall():
    some = make_predictions([[0.9, 0.1, NO_SCORE], [0.1, 0.8, NO_SCORE]], [0, 2])
    assert metrics.count_labels(some, make_thresholds(0.0)) == Counts(given=4, right=1, content=2)
    assert metrics.compute_curve(some)[0].recall == 0.5
    assert metrics.compute_area(some) == pytest.approx(0.5)
    assert metrics.compute_area(some, 2) == 0.0


def test_confusion_has_a_row_and_a_column_for_no_label():
    some = make_predictions([[0.9, 0.6, 0.0], [0.6, 0.7, 0.0], [0.2, 0.3, 0.4], [0.0, 0.8, 0.0]], [0, 0, 2, -1])
    assert metrics.compute_confusion(some, make_thresholds(0.5)).tolist() == [
        [1, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
    ]
    assert metrics.compute_confusion(make_predictions(np.empty((0, 3)), []), make_thresholds(0.5)).sum() == 0


def test_calibrated_scores_have_no_calibration_error():
    right = make_predictions([[0.75, 0.25, 0]] * 4, [0, 0, 0, 1])
    assert metrics.compute_calibration(right).error == pytest.approx(0)


def test_overconfident_scores_have_the_gap_as_error():
    found = metrics.compute_calibration(
        make_predictions([[0.95, 0, 0]] * 4 + [[0.55, 0, 0]] * 4, [0, 0, 1, 1, 0, 0, 1, 1])
    )
    assert found.error == pytest.approx((0.45 + 0.05) / 2)
    filled = [one for one in found.bins if one.pictures]
    assert [(one.low, one.pictures, one.accuracy) for one in filled] == [(0.5, 4, 0.5), (0.9, 4, 0.5)]
    assert metrics.compute_calibration(make_predictions([[1.0, 0, 0]], [0])).bins[-1].pictures == 1


def test_precise_threshold_needs_enough_labels():
    tallies = [Counts(100, 50, 60), Counts(20, 19, 60), Counts(3, 3, 60)]
    assert metrics.find_precise_threshold(tallies, 0.95, 10) == 1
    assert metrics.find_precise_threshold(tallies, 0.96, 10) is None
    assert metrics.find_precise_threshold(tallies, 0.96, 3) == 2
