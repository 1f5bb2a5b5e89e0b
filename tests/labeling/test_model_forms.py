"""Every form of a model with every form of labels and every statement of its range gives the same answer.

The models compute the mean of each color, so the expected scores can be computed by hand.
"""

import json

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.labeling.labeler import Labeler
from support.tiny_models import COLORS, metadata, tiny_model, with_files

# Red 200, green 100, blue 0; luma 118.5.
PIXELS = np.full((30, 40, 3), (200, 100, 0), np.uint8)
MEANS = np.array([200, 100, 0])
# Of the softmax with an input of 0-1.
EXPECTED = np.exp(MEANS / 255) / np.exp(MEANS / 255).sum()

FORMS = {
    "float": {"dtype": "float32"},
    "uint8": {"dtype": "uint8"},
    "int8": {"dtype": "int8"},
    "float, channels first": {"dtype": "float32", "input_shape": (1, 3, 8, 6), "channels_first": True},
    "int8, channels first": {"dtype": "int8", "input_shape": (1, 3, 8, 6), "channels_first": True},
}
STATEMENTS = ["manifest range", "manifest mean", "metadata", "Lobe", "Custom Vision"]
LABEL_FILES = {
    "plain": ("labels.txt", "red\ngreen\nblue\n"),
    "numbered": ("labels.txt", "0 red\n1 green\n2 blue\n"),
    "csv": ("class_names.csv", "id,label\r\n0,red\r\n1,green\r\n2,blue\r\n"),
    "utf-16": ("retrained_labels.txt", "\ufeffred\ngreen\nblue"),
    "inside": (None, "red\ngreen\nblue\n"),
}


def write_form(folder, form, label_form, statement):
    folder.mkdir()
    facts = metadata((0.0,), (255.0,)) if statement == "metadata" else None
    model = tiny_model(**form, metadata=facts)
    name, text = LABEL_FILES[label_form]
    if name is None:
        model = with_files(model, {"labels.txt": text})
    else:
        (folder / name).write_bytes(text.encode("utf-16-le" if label_form == "utf-16" else "utf-8"))
    (folder / "model.tflite").write_bytes(model)
    declared = {
        "manifest range": {"inputRange": [0, 1]},
        "manifest mean": {"inputMean": 0, "inputStd": [255, 255, 255]},
    }
    if statement in declared:
        named = {} if name is None else {"labelsFile": name}
        if label_form == "csv":
            named = {}
        (folder / "manifest.json").write_text(json.dumps({"modelFile": "model.tflite", **named, **declared[statement]}))
    if statement == "Lobe":
        (folder / "signature.json").write_text(json.dumps({"classes": {"Label": list(COLORS)}}))
    if statement == "Custom Vision":
        (folder / "metadata_properties.json").write_text(json.dumps({"Image.NominalPixelRange": "Normalized_0_1"}))
    return folder


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("label_form", LABEL_FILES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_answer(tmp_path, form, label_form, statement):
    bundle = read_bundle(write_form(tmp_path / "bundle", FORMS[form], label_form, statement))
    assert bundle.labels == COLORS
    scores = Labeler(bundle).score(PIXELS)
    assert scores == pytest.approx(EXPECTED, abs=0.01)
    write_bundle(bundle, tmp_path / "installed")
    assert Labeler(read_bundle(tmp_path / "installed")).score(PIXELS) == pytest.approx(scores)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
@pytest.mark.parametrize("shape", [(1, 8, 6, 1), (1, 1, 8, 6), (1, 8, 6)])
def test_one_channel_model_gets_luma(tmp_path, dtype, shape):
    folder = tmp_path / "gray"
    folder.mkdir()
    model = tiny_model(dtype, None, input_shape=shape, channels_first=shape[1] == 1)
    (folder / "model.tflite").write_bytes(model)
    (folder / "labels.txt").write_text("dark\nbright\n")
    (folder / "manifest.json").write_text(json.dumps({"modelFile": "model.tflite", "inputRange": [0, 1]}))
    dark, bright = Labeler(read_bundle(folder)).score(PIXELS)
    luma = 118.5 / 255
    expected = 1 / (1 + np.exp(-luma)) if dtype == "float32" else luma
    assert bright == pytest.approx(expected, abs=0.01) and dark == pytest.approx(1 - bright, abs=1e-6)


@pytest.mark.parametrize("labels", ["person\n", "no person\nperson\n"])
def test_one_sigmoid_output_takes_one_or_two_labels(tmp_path, labels):
    folder = tmp_path / "person"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(
        tiny_model(ending="logistic", single=True, metadata=metadata((0.0,), (50.0,)))
    )
    (folder / "labels.txt").write_text(labels)
    expected = 1 / (1 + np.exp(-2))  # the mean over all colors is 100
    scores = Labeler(read_bundle(folder)).score(PIXELS)
    assert scores[-1] == pytest.approx(expected, abs=1e-3)
    assert len(scores) == 1 or scores[0] == pytest.approx(1 - expected, abs=1e-3)
