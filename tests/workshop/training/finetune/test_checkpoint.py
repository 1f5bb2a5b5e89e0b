"""A saved state is found again by what determines the result; damaged and old ones are not used."""

import os
import time

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.workshop.training.finetune.checkpoint import TuningCheckpoint  # noqa: E402 - it imports torch


def test_state_of_the_same_training_is_found(tmp_path):
    assert TuningCheckpoint(tmp_path, [b"a", b"b"]).save({"step": 5, "values": torch.ones(3)})
    assert TuningCheckpoint(tmp_path, [b"a", b"b"]).load()["step"] == 5
    assert TuningCheckpoint(tmp_path, [b"ab", b""]).load() is None


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_damaged_state_is_not_used(tmp_path, damage):
    checkpoint = TuningCheckpoint(tmp_path, [b"a"])
    checkpoint.save({"step": 5})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100] if damage is None else damage)
    assert checkpoint.load() is None


def test_old_states_are_removed(tmp_path):
    TuningCheckpoint(tmp_path, [b"old"]).save({"step": 1})
    (old,) = tmp_path.iterdir()
    week_ago_s = time.time() - 8 * 86_400
    os.utime(old, (week_ago_s, week_ago_s))
    TuningCheckpoint(tmp_path, [b"new"]).load()
    assert not old.exists()


def test_state_is_removed_at_the_end(tmp_path):
    checkpoint = TuningCheckpoint(tmp_path, [b"a"])
    checkpoint.save({"step": 1})
    checkpoint.remove()
    assert not list(tmp_path.iterdir())


def test_without_a_folder_nothing_is_saved():
    checkpoint = TuningCheckpoint(None, [b"a"])
    assert not checkpoint.save({"step": 1}) and checkpoint.load() is None
    checkpoint.remove()
