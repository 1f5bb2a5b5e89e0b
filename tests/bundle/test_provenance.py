"""Where a model is from: written into the manifest, kept by every copy, and cleaned when it is read."""

import json

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.edit import write_thresholds
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.key import bundle_key
from appliance.bundle.provenance import (
    MAX_LABELS,
    MAX_PARENTS,
    MetricValue,
    Provenance,
    TrainingMetrics,
    describe_provenance,
    parse_provenance,
)
from support.bundles import zipped
from support.tiny_models import write_tiny

FULL = Provenance(
    base=ModelIdentity("general", "1.0.0", "a" * 64),
    parents=(ModelIdentity("things", "2", "b" * 64), ModelIdentity("things", "1", "c" * 64)),
    dataset_sha256="d" * 64,
    pictures={"cup": 30, "Müsli": 28},
    test=6,
    metrics=TrainingMetrics(58, "cross-validation", 0.62, 0.03, {"accuracy": MetricValue(0.95, 0.9, 0.98)}),
    seed=7,
    license="base: Apache-2.0",
)


def _write(folder, training):
    write_tiny(folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "training": training}))
    return folder


def test_what_is_written_is_read_back():
    assert parse_provenance(json.loads(json.dumps(FULL.as_dict()))) == FULL


def test_every_copy_of_a_bundle_keeps_it(tmp_path):
    source = _write(tmp_path / "source", FULL.as_dict())
    (tmp_path / "packed.zip").write_bytes(zipped(source))
    for name in ("source", "packed.zip"):
        copy = tmp_path / f"copy of {name}"
        write_bundle(read_bundle(tmp_path / name), copy)
        assert read_bundle(copy).provenance == FULL
    assert write_thresholds(source, 0.7, {}).provenance == FULL


def test_it_does_not_change_the_key_of_a_bundle(tmp_path):
    with_it, without = _write(tmp_path / "one" / "m", FULL.as_dict()), write_tiny(tmp_path / "other" / "m")
    assert bundle_key(read_bundle(with_it)) == bundle_key(read_bundle(without))


def test_people_read_the_base_the_pictures_and_the_interval():
    text = dict(describe_provenance(FULL))
    assert text["base"] == "general 1.0.0"
    assert text["pictures"] == "58: cup 30, Müsli 28"
    assert "95 % (between 90 and 98), on 58 pictures" in text["measured"]
    assert text["replaces"] == "things 2, things 1"
    assert describe_provenance(Provenance()) == []


@pytest.mark.parametrize(
    "value", [None, 7, "text", [], {}, {"base": 3, "dataset": [], "metrics": "x", "parents": {}, "seed": True}]
)
def test_other_values_state_nothing(tmp_path, value):
    assert parse_provenance(value) is None
    assert read_bundle(_write(tmp_path / "m", value)).provenance is None


def test_hostile_texts_and_numbers_are_cleaned_and_bounded(tmp_path):
    model = {"name": "\x1b[2Jgen\neral" + "x" * 500, "version": "1\u202e", "sha256": "A" * 64}
    hostile = {
        "base": model,
        "parents": [model] * 1000 + [{"name": "no hash"}],
        "dataset": {"sha256": "../../etc", "pictures": {f"l{index}": 1 for index in range(5000)} | {"bad": -1}},
        "metrics": {"pictures": 3, "accuracy": {"value": 7, "low": float("nan"), "high": 1e308}, "threshold": "0.5"},
        "seed": 10**30,
        "license": "\r\nforged: line" + "y" * 10_000,
    }
    read = read_bundle(_write(tmp_path / "m", hostile)).provenance
    assert read.base.name.startswith("general") is False and "\x1b" not in read.base.name
    assert len(read.base.name) == 64 and read.base.version == "1"
    assert len(read.parents) == MAX_PARENTS and len(read.pictures) == MAX_LABELS
    assert (read.dataset_sha256, read.seed) == (None, None)
    assert read.metrics.figures["accuracy"] == MetricValue(None, None, None)
    assert len(read.license) == 400 and "\n" not in read.license
    assert len(json.dumps(read.as_dict())) < 100_000
    assert all("\n" not in text and len(text) < 2000 for _, text in describe_provenance(read))


def test_many_long_labels_are_shortened_for_people():
    text = dict(describe_provenance(Provenance(pictures={f"{index}{'x' * 250}": 1 for index in range(100)})))
    assert "(100 labels)" in text["pictures"]
