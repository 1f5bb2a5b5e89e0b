"""What fine-tuning needs, and the pictures that it holds out."""

import re

import numpy as np
import pytest

from appliance.errors import TrainingError
from appliance.workshop.training import fine_tuned
from appliance.workshop.training.fine_tuned import (
    hold_out_validation,
    require_fit_for_tuning,
    require_torch,
    suggest_fine_tuning,
)
from appliance.workshop.training.training_set import TrainingSet


def make_training_set(validation=(), membership=None):
    targets = np.arange(40) % 2
    is_validation = np.isin(np.arange(40), validation)
    # Each two neighbors of a label are one recording.
    groups = np.arange(40) // 4 * 2 + targets
    return TrainingSet(
        labels=("a", "b"),
        background=None,
        pictures=(),
        targets=targets,
        is_validation=is_validation,
        unlabeled=0,
        test_counts={},
        problem_count=0,
        membership=membership,
        group_numbers=groups,
    )


def test_fifth_of_the_recordings_is_held_out():
    held = hold_out_validation(make_training_set(), 0)
    assert held.is_validation.sum() == 8
    groups = make_training_set().groups
    assert not set(groups[held.is_validation]) & set(groups[~held.is_validation])


def test_own_validation_pictures_are_kept():
    assert hold_out_validation(make_training_set(range(5)), 0).is_validation.sum() == 5


def test_several_labels_on_a_picture_are_refused():
    with pytest.raises(TrainingError, match="one label each"):
        hold_out_validation(make_training_set(membership=np.ones((40, 2), bool)), 0)


def test_missing_library_gets_its_remedy(monkeypatch):
    monkeypatch.setattr(fine_tuned, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"requires more libraries \(torch.*\[torch\]"):
        require_torch()


def test_too_few_pictures_are_refused():
    require_fit_for_tuning(make_training_set())
    with pytest.raises(TrainingError, match="fewer than 20 training pictures of a, b"):
        require_fit_for_tuning(make_training_set(range(4)))


@pytest.mark.parametrize(("found", "words"), [(None, r"it needs PyTorch.*\[torch\]"), (object(), "is installed")])
def test_suggestion_states_what_is_needed(monkeypatch, found, words):
    monkeypatch.setattr(fine_tuned, "find_spec", lambda name: found)
    assert re.search(words, suggest_fine_tuning(make_training_set(), 0.9))


def test_nothing_is_suggested_where_it_is_of_no_use():
    assert not suggest_fine_tuning(make_training_set(), 1.0)
    assert not suggest_fine_tuning(make_training_set(range(4)), 0.9)
    assert not suggest_fine_tuning(make_training_set(membership=np.ones((40, 2), bool)), 0.9)
