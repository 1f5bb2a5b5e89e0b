"""Manifests: wrong values, JSON with trailing commas, and texts built to be slow."""

import time

import pytest

from appliance.bundle.manifest import Manifest, is_inside, load_json, parse_manifest
from appliance.errors import BundleError
from support.tiny_bundles import assert_rejected, manifest_text
from support.tiny_models import write_tiny


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "must be a JSON object"),
        ('{"labelsFile": "dict.txt"}', "has no modelFile"),
        (manifest_text(modelType="OBJECT_DETECTION"), "modelType is 'OBJECT_DETECTION'"),
        (manifest_text(modelFile="../model.tflite"), "points outside of the bundle"),
        (manifest_text(modelFile="/etc/passwd"), "points outside of the bundle"),
        (manifest_text(labelsFile="..\\dict.txt"), "points outside of the bundle"),
        (manifest_text(modelFile="\ud800.tflite"), "modelFile '\ufffd.tflite' cannot be the name of a file"),
        (manifest_text(labelsFile="a" * 256), "cannot be the name of a file"),
        (manifest_text(labelsFile="a/" * 300 + "dict.txt"), "cannot be the name of a file"),
        (manifest_text(sha256={"a\x1b[31m\n": "0" * 64}), "sha256 'a' cannot be the name of a file"),
        (manifest_text(modelType="a" * 5000), "modelType is 'aaa.*…', not IMAGE_LABELING"),
        (manifest_text(modelFile=7), "modelFile must be a string, not the number 7"),
        (manifest_text(name=""), "name must be a string"),
        (manifest_text(version=1.0), "version must be a string"),
        (manifest_text(version="first"), "not a PEP 440 version"),
        (
            manifest_text(confidenceThreshold="0.5"),
            "confidenceThreshold must be a number from 0 to 1, not the string '0.5'",
        ),
        (manifest_text(confidenceThreshold=True), "confidenceThreshold must be a number"),
        (manifest_text(confidenceThreshold=[0.5]), "confidenceThreshold must be a number from 0 to 1, not a list"),
        (manifest_text(confidenceThreshold=50), "confidenceThreshold must be from 0 to 1, not 50"),
        (manifest_text(confidenceThreshold=float("nan")), "confidenceThreshold must be from 0 to 1"),
        (manifest_text(labelThresholds=[0.5]), "labelThresholds must be an object"),
        (manifest_text(labelThresholds={"red": None}), "labelThresholds of 'red' must be a number"),
        (
            manifest_text(labelThresholds={"rad": 0.5}),
            "labelThresholds: the model has no label 'rad'; similar labels are 'red'",
        ),
        (manifest_text(backgroundLabel="nothing"), "backgroundLabel: the model has no label 'nothing'"),
        (manifest_text(sha256={"model.tflite": "0" * 64}), "'model.tflite' does not match its sha256"),
        (manifest_text(sha256={"model.tflite": "abc"}), "64 hex digits"),
        (manifest_text(sha256={"../x": "0" * 64}), "points outside of the bundle"),
        (manifest_text(created=2026), "created must be a string"),
    ],
)
def test_wrong_manifest_is_rejected(tmp_path, manifest, reason):
    assert_rejected(write_tiny(tmp_path / "folder", manifest=manifest), reason)


@pytest.mark.parametrize(
    "text", ['{"a": "' + '\\"' * 60_000, '{"a": "' + '\\"' * 60_000 + "\\", "[" + ", " * 60_000, "[," + " " * 60_000]
)
def test_manifest_built_to_be_slow_is_rejected_quickly(text):
    started_s = time.process_time()
    with pytest.raises(BundleError, match="is not JSON"):
        load_json(text.encode(), "it")
    assert time.process_time() - started_s < 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": ' + "7" * 5000 + "}", "too many digits"),
        ('{"a": ' + "7" * 5000 + ",}", "too many digits"),
        ("[" * 100_000, "too deep"),
    ],
)
def test_json_beyond_pythons_limits_is_rejected(text, reason):
    with pytest.raises(BundleError, match=reason):
        load_json(text.encode(), "it")


def test_commas_and_quotes_inside_strings_are_kept():
    assert load_json(b'{"a": ",]\\",}", "b": [1, 2 , ], }', "it") == {"a": ',]",}', "b": [1, 2]}


def test_missing_keys_are_unset():
    assert parse_manifest(b'{"modelFile": "m.tflite"}', "it") == Manifest("m.tflite")


@pytest.mark.parametrize("path", ["a", "a/b", "./a", "a..b", "..a"])
def test_path_inside_the_folder(path):
    assert is_inside(path)


@pytest.mark.parametrize("path", ["", "..", "../a", "a/../../b", "/a", "a\\..\\b", "\\a", "C:a", "c:\\a", "a\0"])
def test_path_outside_the_folder(path):
    assert not is_inside(path)
