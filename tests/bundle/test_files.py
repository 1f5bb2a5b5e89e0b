"""The model file of a folder: one of several, other suffixes, and the file for the Edge TPU beside it."""

from appliance.bundle.bundle import read_bundle
from support.tiny_bundles import assert_rejected
from support.tiny_models import COLORS, tiny_model

EDGE_TPU = tiny_model(ending="custom", custom_operator="edgetpu-custom-op")


def test_suffix_lite_is_read(tmp_path):
    (tmp_path / "model.lite").write_bytes(tiny_model())
    (tmp_path / "labels.txt").write_text("\n".join(COLORS))
    assert read_bundle(tmp_path).labels == COLORS
    assert read_bundle(tmp_path / "model.lite").labels == COLORS


def test_file_for_the_edge_tpu_is_left_out(tmp_path):
    (tmp_path / "model.tflite").write_bytes(tiny_model())
    (tmp_path / "model_edgetpu.tflite").write_bytes(EDGE_TPU)
    (tmp_path / "labels.txt").write_text("\n".join(COLORS))
    bundle = read_bundle(tmp_path)
    assert bundle.model_file.name == "model.tflite" and "Edge TPU" in bundle.notes[0]


def test_file_for_the_edge_tpu_alone_is_rejected(tmp_path):
    (tmp_path / "model_edgetpu.tflite").write_bytes(EDGE_TPU)
    (tmp_path / "labels.txt").write_text("\n".join(COLORS))
    assert_rejected(tmp_path, "Edge TPU.*take the file without _edgetpu")


def test_several_models_are_named(tmp_path):
    for name in ("first.tflite", "second.lite"):
        (tmp_path / name).write_bytes(tiny_model())
    assert_rejected(tmp_path, "2 models .first.tflite, second.lite.*give the path of one")
