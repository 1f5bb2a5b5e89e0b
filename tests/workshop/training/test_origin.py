"""The record of where a new model is from."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.provenance import MAX_PARENTS
from appliance.errors import BundleError
from appliance.workshop.training.origin import hash_dataset, list_parents
from appliance.workshop.training.training_set import TrainingSet
from support.tiny_models import write_tiny
from support.training import train, write_base, write_pictures


def _make_set(labels, targets, membership=None):
    count = len(targets)
    return TrainingSet(labels, None, (), np.array(targets), np.zeros(count, bool), 0, {}, 0, membership)


def test_hash_depends_on_pictures_and_labels_alone():
    digests = [bytes([number]) * 32 for number in range(3)]
    first = hash_dataset(_make_set(("a", "b"), [0, 1, 0]), np.array([0, 1, 2]), digests)
    other_order = hash_dataset(_make_set(("b", "a"), [0, 1, 1]), np.array([0, 1, 2]), [digests[i] for i in (1, 2, 0)])
    assert first == other_order and len(first) == 64
    assert first != hash_dataset(_make_set(("a", "b"), [0, 1, 1]), np.array([0, 1, 2]), digests)
    assert first != hash_dataset(_make_set(("a", "b"), [0, 1, 0]), np.array([0, 1]), digests[:2])


def test_several_labels_of_a_picture_are_hashed():
    digests = [b"1" * 32]
    both = hash_dataset(_make_set(("a", "b"), [0], np.array([[True, True]])), np.array([0]), digests)
    assert both != hash_dataset(_make_set(("a", "b"), [0], np.array([[True, False]])), np.array([0]), digests)


def test_parents_are_those_of_the_replaced_model_and_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pictures, base = write_pictures(tmp_path / "pictures", {"red": 12, "blue": 12}), write_base(tmp_path / "b.tflite")
    parent = []
    for version in ("1", "2", "3"):
        out = tmp_path / version
        assert (
            train(pictures, "--base", base, "--out", out, "--name", "things", "--model-version", version, *parent) == 0
        )
        parent = ["--parent", out]
    assert [each.version for each in read_bundle(tmp_path / "3").provenance.parents] == ["2", "1"]
    assert [each.version for each in list_parents(tmp_path / "3")] == ["3", "2", "1"]
    assert len(list_parents(tmp_path / "3")) <= MAX_PARENTS


def test_model_without_a_record_is_a_parent_too(tmp_path):
    folder = write_tiny(tmp_path / "colors")
    assert list_parents(folder) == (read_bundle(folder).identity,)
    assert list_parents(None) == ()
    with pytest.raises(BundleError):
        list_parents(tmp_path / "missing")
