"""The sentences and the judgment of a comparison."""

import pytest

from appliance.workshop.evaluation.difference import FALSE_LABELS, Comparison, ComparisonResult, Difference


def _make(name="accuracy", low=-0.05, high=0.03, result=ComparisonResult.SAME, pictures=100, samples=None, new=0.9):
    return Difference(name, new, 0.91, low, high, result, pictures, pictures if samples is None else samples)


def test_answers_are_those_of_the_manual():
    assert [each.answer for each in ComparisonResult] == ["better", "worse", "no difference proven", "too few to tell"]


def test_loss_of_false_labels_is_more_of_them():
    assert _make(FALSE_LABELS, -30.0, 55.0).possible_loss == pytest.approx(0.055)
    assert _make(low=-0.05).possible_loss == 0.05


def test_missing_interval_excludes_a_loss_only_if_nothing_differs():
    assert _make(low=None, high=None).possible_loss == 1
    assert _make(low=None, high=None, new=0.91).possible_loss == pytest.approx(0.037, abs=1e-3)
    assert _make(low=None, high=None, new=0.91, pictures=5).possible_loss == 1


def test_too_few_pictures_are_named_with_the_loss_they_may_hide():
    measures = (_make(low=-0.14, result=ComparisonResult.TOO_FEW, pictures=60), _make("F1 at the threshold"))
    summary = Comparison(measures, (), ComparisonResult.TOO_FEW).summary
    assert "60 pictures may hide a loss of 14.0 points in accuracy" in summary
    assert "evaluate on about 120 pictures or more" in summary


def test_better_model_with_few_background_pictures_names_them():
    few = Difference(FALSE_LABELS, 0.0, 200.0, None, None, ComparisonResult.TOO_FEW, 4, 4)
    better = _make(low=0.02, high=0.09, result=ComparisonResult.BETTER)
    summary = Comparison((better, few), (), ComparisonResult.BETTER).summary
    assert "better in accuracy" in summary
    assert "4 pictures cannot show a difference in false labels" in summary


def test_allowed_loss_is_exceeded_only_by_a_proven_loss():
    unsure, worse = _make(low=-0.05), _make(low=-0.05, high=-0.01, result=ComparisonResult.WORSE)
    assert Comparison((unsure,), (), ComparisonResult.SAME).check_loss(0.02).unknown == (unsure,)
    assert Comparison((worse,), (), ComparisonResult.WORSE).check_loss(0.02).exceeded == (worse,)
    kept = Comparison((worse,), (), ComparisonResult.WORSE).check_loss(0.06)
    assert (kept.exceeded, kept.unknown) == ((), ())
    assert "not worse by more than 6 points" in kept.summary
