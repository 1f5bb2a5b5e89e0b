"""Labeler: whatever a model stores is returned as probabilities; only image classifiers are accepted."""

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, RuntimeMissingError
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from support.tiny_models import COLORS, RUNTIMES, metadata, tiny_model, with_files, write_tiny

# Red 200, green 100, blue 0 of 255; the tiny models compute the mean of each color.
PIXELS = np.full((30, 40, 3), (200, 100, 0), np.uint8)


def softmax(values) -> np.ndarray:
    powers = np.exp(np.asarray(values, np.float64))
    return powers / powers.sum()


@pytest.fixture(params=RUNTIMES)
def labeler(request, tmp_path):
    """Return a function that makes a labeler from a model, for each runtime that works here."""

    def make(model: bytes, labels: str = "red\ngreen\nblue\n", **options) -> Labeler:
        return Labeler(read_bundle(write_tiny(tmp_path / "bundle", model, labels)), runtime=request.param, **options)

    return make


def test_float_model_with_softmax(labeler):
    made = labeler(tiny_model())
    scores = made.score(PIXELS)
    assert scores.dtype == np.float32
    assert scores == pytest.approx(softmax([(value - 127.5) / 127.5 for value in (200, 100, 0)]), abs=1e-5)
    assert made.labels == COLORS and made.input_px == (6, 8)
    assert made.runtime.split()[0] in ("LiteRT", "tflite-runtime") and made.runtime.split()[1][0].isdigit()
    assert made.inference_ms > 0


@pytest.mark.parametrize(("mean", "std"), [((0.0,), (255.0,)), ((10.0, 20.0, 30.0), (50.0, 60.0, 70.0))])
def test_float_input_is_normalized_by_the_metadata(labeler, mean, std):
    made = labeler(tiny_model(metadata=metadata(mean, std)))
    values = (np.array([200, 100, 0]) - np.array(mean)) / np.array(std)
    assert made.score(PIXELS) == pytest.approx(softmax(values), abs=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_quantized_input_gets_unchanged_pixels(labeler, dtype):
    # The metadata's mean and std belong to the float model that this one was made from; here they would be wrong.
    made = labeler(tiny_model(dtype, None, metadata=metadata((127.5,), (127.5,))))
    assert made.score(PIXELS) == pytest.approx([200 / 255, 100 / 255, 0], abs=0.005)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_quantized_softmax_is_dequantized(labeler, dtype):
    made = labeler(tiny_model(dtype, "softmax", scale=4 / 255))
    assert made.score(PIXELS) == pytest.approx(softmax([200 * 4 / 255, 100 * 4 / 255, 0]), abs=0.01)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_logits_become_probabilities(labeler, dtype):
    made = labeler(tiny_model(dtype, None, scale=14 / 255, metadata=metadata((0.0,), (255 / 14,))))
    scores = made.score(PIXELS)
    assert scores == pytest.approx(softmax([200 * 14 / 255, 100 * 14 / 255, 0]), abs=0.01)
    assert scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_multi_label_scores_are_unchanged(labeler, dtype):
    made = labeler(tiny_model(dtype, "logistic", scale=4 / 255, metadata=metadata((0.0,), (255 / 4,))))
    logistic = 1 / (1 + np.exp(-np.array([200, 100, 0]) * 4 / 255))
    scores = made.score(PIXELS)
    assert scores == pytest.approx(logistic, abs=0.01)
    assert scores.sum() > 1.2


def test_single_logit_gets_the_logistic_function(labeler):
    made = labeler(tiny_model(ending=None, single=True, metadata=metadata((0.0,), (50.0,))), "person\n")
    assert made.score(PIXELS) == pytest.approx([1 / (1 + np.exp(-2))], abs=1e-3)


def test_float_distribution_is_unchanged(labeler):
    # Without SOFTMAX at its end; for the gray trial picture its three means add up to 1.
    made = labeler(tiny_model(ending=None, metadata=metadata((0.0,), (381.0,))))
    assert made.score(np.full((8, 8, 3), (254, 127, 0), np.uint8)) == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-5)


def test_view_is_applied(labeler):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = (0, 0, 255)
    whole = labeler(tiny_model("uint8", None))
    right = labeler(tiny_model("uint8", None), view=View(region=(0.5, 0, 0.5, 1)))
    mirrored = labeler(tiny_model("uint8", None), view=View(hflip=True, region=(0.5, 0, 0.5, 1)))
    assert [made.score(pixels)[2] for made in (whole, right, mirrored)] == pytest.approx([0.5, 1, 0], abs=0.01)


def test_stages_one_by_one_give_the_scores(labeler):
    made = labeler(tiny_model())
    whole = made.score(PIXELS)
    made.prepare(PIXELS)
    made.invoke()
    assert np.array_equal(made.read_scores(), whole)


def test_scores_of_one_frame_outlive_the_next(labeler):
    made = labeler(tiny_model())
    first = made.score(PIXELS)
    kept = first.copy()
    made.score(255 - PIXELS)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("model", "labels", "reason"),
    [
        (tiny_model(), "red\ngreen\n", "2 labels .*, but the model has 3 outputs"),
        (tiny_model(input_shape=(1, 8, 8, 2)), "a\nb", "not an image classifier: its input is"),
        (tiny_model(input_shape=(1, 2, 8, 8)), "\n".join("abcdefgh"), "not an image classifier: its input is"),
        (
            tiny_model(input_shape=(1, 8, 6, 3), signature=(1, -1, -1, 3)),
            "red\ngreen\nblue",
            "input of dynamic size",
        ),
        (tiny_model("int32", None), "red\ngreen\nblue", "int32, not uint8, int8 or float32"),
        (tiny_model(outputs=2), "red\ngreen\nblue", "1 inputs and 2 outputs"),
        (tiny_model(ending="custom"), "red\ngreen\nblue", "unknown-operator"),
        (tiny_model(metadata=metadata((1.0, 2.0), (1.0,))), "red\ngreen\nblue", "in its metadata, the mean is"),
        (tiny_model(metadata=metadata((1.0,), (0.0,))), "red\ngreen\nblue", "in its metadata, the std is"),
    ],
)
def test_other_models_are_rejected(tmp_path, model, labels, reason, labeler):
    with pytest.raises(BundleError, match=reason) as caught:
        labeler(model, labels)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_dynamic_batch_is_run_with_one_picture(labeler):
    assert len(labeler(tiny_model(signature=(-1, 8, 6, 3))).score(PIXELS)) == 3


def test_model_file_changed_after_reading_is_rejected(tmp_path):
    bundle = read_bundle(write_tiny(tmp_path / "bundle"))
    (tmp_path / "bundle" / "model.tflite").write_bytes(tiny_model("uint8"))
    with pytest.raises(BundleError, match="was changed after it was read"):
        Labeler(bundle)


def test_model_file_changed_while_running_does_no_harm(tmp_path, labeler):
    made = labeler(with_files(tiny_model(), {"labels.txt": "a\nb\nc"}))
    before = made.score(PIXELS)
    (tmp_path / "bundle" / "model.tflite").write_bytes(b"")
    assert np.array_equal(made.score(PIXELS), before)


def test_requested_runtime_is_used_or_reported_missing(tmp_path):
    bundle = read_bundle(write_tiny(tmp_path / "bundle"))
    for runtime, name in (("litert", "LiteRT"), ("tflite-runtime", "tflite-runtime")):
        if runtime in RUNTIMES:
            assert Labeler(bundle, runtime=runtime).runtime.startswith(name)
            continue
        with pytest.raises(RuntimeMissingError, match=rf"{name}.*install") as caught:
            Labeler(bundle, runtime=runtime)
        if runtime == "tflite-runtime" and np.__version__.startswith("2"):
            assert f"numpy {np.__version__}" in str(caught.value)
