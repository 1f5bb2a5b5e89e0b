"""The declarations of .tflite files: label files, normalization, score threshold, kind of output."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.tflite_metadata import LabelFileEntry, read_facts
from support.tiny_bundles import assert_rejected, manifest_text
from support.tiny_models import metadata, tiny_model, with_files, write_tiny


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((("mids.txt", ""), ("names.txt", "en")), "names"),
        ((("mids.txt", ""), ("names.txt", "en-GB")), "names"),
        ((("noms.txt", "fr"), ("mids.txt", "")), "mids"),
        ((("names.txt", ""), ("mids.txt", "")), "names"),
        ((("gone.txt", "en"), ("mids.txt", "")), "mids"),
    ],
)
def test_english_label_file_is_preferred(tmp_path, files, expected):
    inside = {name: f"{name.removesuffix('.txt')}\nb\nc" for name in ("mids.txt", "names.txt", "noms.txt")}
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(metadata=metadata(label_files=files)), inside))
    assert read_bundle(tmp_path / "m.tflite").labels[0] == expected


@pytest.mark.parametrize(
    "model_metadata", [None, metadata(), metadata(label_files=(("gone.txt", ""),)), b"no flatbuffer at all", b""]
)
def test_unusable_metadata_leaves_the_only_text_file(tmp_path, model_metadata):
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(metadata=model_metadata), {"labels.txt": "a\nb\nc"}))
    assert read_bundle(tmp_path / "m.tflite").labels == ("a", "b", "c")


def test_two_text_files_without_metadata(tmp_path):
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(), {"labels.txt": "a\nb\nc", "labels-en.txt": "x\ny\nz"}))
    assert read_bundle(tmp_path / "m.tflite").labels == ("x", "y", "z")
    (tmp_path / "m.tflite").write_bytes(with_files(tiny_model(), {"one.txt": "a\nb\nc", "two.txt": "x\ny\nz"}))
    assert_rejected(tmp_path / "m.tflite", "does not declare which.*one.txt, two.txt")


def test_score_threshold_of_the_metadata_is_the_bundles_own(tmp_path):
    folder = write_tiny(tmp_path / "folder", tiny_model(metadata=metadata(threshold=0.35)))
    assert read_bundle(folder).confidence_threshold == 0.35
    (folder / "manifest.json").write_text(manifest_text(confidenceThreshold=0.0))
    assert read_bundle(folder).confidence_threshold == 0.0


def test_facts_of_a_model_with_metadata():
    about = metadata((1.0, 2.0, 3.0), (4.0,), 0.25, (("labels.txt", "en"),))
    facts = read_facts(tiny_model(metadata=about))
    assert facts.output_shapes == ((1, 3),) and facts.gives_probabilities
    assert (facts.mean, facts.std, facts.score_threshold) == ((1.0, 2.0, 3.0), (4.0,), 0.25)
    assert facts.label_files == (LabelFileEntry("labels.txt", "en"),)


@pytest.mark.parametrize(
    ("ending", "expected"), [("softmax", True), ("logistic", True), ("custom", False), (None, False)]
)
def test_output_kind_follows_from_the_last_operator(ending, expected):
    assert read_facts(tiny_model(ending=ending)).gives_probabilities is expected
