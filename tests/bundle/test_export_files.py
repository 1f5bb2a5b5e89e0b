"""What the export files of Lobe and Custom Vision state is used; files of other programs with these names are not."""

import json

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.export_files import read_export_file
from support.tiny_models import COLORS, tiny_model

SIGNATURE = {
    "doc_name": "Colors",
    "format": "tf_lite",
    "filename": "saved_model.tflite",
    "inputs": {"Image": {"dtype": "float32", "shape": [None, 8, 6, 3], "name": "Image:0"}},
    "outputs": {"Confidences": {"dtype": "float32", "shape": [None, 3], "name": "dense/Softmax:0"}},
    "classes": {"Label": list(COLORS)},
    "export_model_version": 1,
}
PROPERTIES = {
    "CustomVision.Metadata.Version": "1.2",
    "CustomVision.Preprocess.CropMethod": "NoCrop",
    "CustomVision.Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]",
    "CustomVision.Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",
    "CustomVision.Preprocess.ResizeMethod": "Stretch",
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.NominalPixelRange": "Normalized_0_1",
}


def write_export(folder, name, values, model="model.tflite", labels=None):
    folder.mkdir()
    (folder / model).write_bytes(tiny_model())
    (folder / name).write_text(json.dumps(values))
    if labels:
        (folder / "labels.txt").write_text("\n".join(labels))
    return folder


def test_lobe_export_has_labels_range_and_crop(tmp_path):
    bundle = read_bundle(write_export(tmp_path / "lobe", "signature.json", SIGNATURE, "saved_model.tflite"))
    assert bundle.labels == COLORS
    assert bundle.input.describe() == "0..1 (from signature.json), resize crop"


def test_statements_of_an_export_survive_installation(tmp_path):
    bundle = read_bundle(write_export(tmp_path / "lobe", "signature.json", SIGNATURE, "saved_model.tflite"))
    write_bundle(bundle, tmp_path / "installed")
    assert read_bundle(tmp_path / "installed").input == bundle.input


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "0..1 (from metadata_properties.json)"),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, "0..255 (from metadata_properties.json)"),
        ({"Image.NominalPixelRange": "Normalized_1_1"}, "-1..1 (from metadata_properties.json)"),
        ({"Image.BitmapPixelFormat": "Bgr8"}, "0..1 (from metadata_properties.json), BGR"),
        ({"CustomVision.Preprocess.CropMethod": "CenterCrop"}, "0..1 (from metadata_properties.json), resize crop"),
        (
            {
                "CustomVision.Preprocess.NormalizeMean": "[0.5, 0.5, 0.5]",
                "CustomVision.Preprocess.NormalizeStd": "[0.5, 0.5, 0.5]",
            },
            "-1..1 (from metadata_properties.json)",
        ),
        (
            {
                "CustomVision.Preprocess.NormalizeMean": "[123.0, 117.0, 104.0]",
                "Image.NominalPixelRange": "NominalRange_0_255",
            },
            "mean 123/117/104, std 1/1/1 (from metadata_properties.json)",
        ),
        ({"Image.NominalPixelRange": "NominalRange_16_235"}, "-1..1 (assumed)"),
    ],
)
def test_custom_vision_export_states_its_input(tmp_path, changes, expected):
    folder = write_export(tmp_path / "cv", "metadata_properties.json", PROPERTIES | changes, labels=COLORS)
    assert read_bundle(folder).input.describe() == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("signature.json", "[1, 2]"),
        ("signature.json", '{"classes": {"Label": []}, "filename": "other.tflite"}'),
        ("signature.json", "{" * 5000),
        ("metadata_properties.json", '{"version": 1}'),
        ("metadata_properties.json", '{"Image.NominalPixelRange": ["Normalized_0_1"]}'),
        ("metadata_properties.json", "\0"),
    ],
)
def test_file_of_another_program_states_nothing(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    facts = read_export_file(tmp_path, "model.tflite")
    assert facts is None or facts.input.mean is None


def test_folder_in_place_of_an_export_file_is_ignored(tmp_path):
    (tmp_path / "signature.json").mkdir()
    assert read_export_file(tmp_path, "model.tflite") is None
