"""Files and folders of other programs are named for what they are, with the way to a TFLite model."""

import zipfile

import pytest

from support.tiny_bundles import assert_rejected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("keras_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras model.*TensorFlow Lite.*Teachable Machine"),
        ("renamed.tflite", b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras model"),
        ("model.onnx", b"\x08\x07\x12\x07pytorch", "ONNX model; convert it"),
        ("frozen_graph.pb", b"\n\x10\n\x05input", "TensorFlow graph; convert it"),
        ("model.pt", b"\x80\x02}q\x00", "PyTorch"),
        (
            "model.tflite",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "Git LFS pointer.*git lfs pull",
        ),
        ("model.tflite", b"<!DOCTYPE html><title>Sign in", "web page"),
        ("model.tar.gz", b"\x1f\x8b\x08\x00", "gzip archive; unpack it"),
        ("app.eim", b"\x7fELF\x02\x01", "Edge Impulse"),
        ("model.mlmodel", b"\x08\x04\x12", "Core ML"),
        ("unknown.bin", b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "lacks the identifier TFL3"),
    ],
)
def test_file_of_another_format_is_named(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    assert_rejected(tmp_path / name, reason)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["saved_model.pb", "variables/variables.index"], "SavedModel.*from_saved_model"),
        (["model.json", "weights.bin", "metadata.json"], "TensorFlow.js.*export it again as TensorFlow Lite"),
        (["config.json", "metadata.json", "model.weights.h5"], "Keras model"),
        (["best.onnx", "classes.txt"], "best.onnx is an ONNX model"),
        (["archive/data.pkl", "archive/version"], "PyTorch"),
    ],
)
def test_folder_and_zip_of_another_format_are_named(tmp_path, names, reason):
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    assert_rejected(tmp_path / "export.zip", reason)
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path / "folder")
    inner = next((tmp_path / "folder").glob("archive"), tmp_path / "folder")
    assert_rejected(inner, reason)


def test_folder_with_nothing_known_is_no_bundle(tmp_path):
    (tmp_path / "notes.md").write_text("hello")
    assert_rejected(tmp_path, "neither a manifest.json nor a .tflite")
