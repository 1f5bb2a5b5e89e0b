"""The runtimes: tensors of a loaded model, errors on one line, and the choice of the runtime."""

import numpy as np
import pytest

from appliance.errors import BundleError, RuntimeMissingError
from appliance.labeling.interpreter import LoadedModel
from support.made_models import fails_on_bright
from support.tiny_models import RUNTIMES, tiny_model


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_loaded_model_runs(runtime):
    model = LoadedModel(tiny_model(ending=None), "tiny", runtime, 1)
    (picture,), (output,) = model.inputs, model.outputs
    assert (picture.shape, picture.dtype, picture.scale, picture.resizable) == ((1, 8, 6, 3), np.float32, 0.0, False)
    assert (output.shape, output.dtype) == ((1, 3), np.float32)
    model.write(np.full((1, 8, 6, 3), 0.25, np.float32))
    model.invoke()
    np.testing.assert_allclose(model.read(), 0.25)


def test_output_is_a_copy():
    model = LoadedModel(tiny_model(ending=None), "tiny", "auto", 1)
    model.write(np.zeros((1, 8, 6, 3), np.float32))
    model.invoke()
    first = model.read()
    model.write(np.ones((1, 8, 6, 3), np.float32))
    model.invoke()
    assert first.max() == 0 and model.read().min() == 1


def test_quantization_of_a_tensor():
    (picture,) = LoadedModel(tiny_model("int8"), "tiny", "auto", 1).inputs
    assert picture.scale == pytest.approx(1 / 255) and picture.zero_point == -128 and picture.dtype == np.int8


def test_dynamic_height_is_resizable_and_dynamic_batch_is_not():
    assert LoadedModel(tiny_model(signature=(1, -1, -1, 3)), "tiny", "auto", 1).inputs[0].resizable
    assert not LoadedModel(tiny_model(signature=(-1, 8, 6, 3)), "tiny", "auto", 1).inputs[0].resizable


@pytest.mark.parametrize("model", [b"", b"no model", tiny_model(ending="custom")])
def test_rejected_model_is_reported_on_one_line(model):
    with pytest.raises(BundleError, match="tiny cannot be loaded by ") as caught:
        LoadedModel(model, "tiny", "auto", 1)
    assert "\n" not in str(caught.value) and not str(caught.value).endswith(".")


@pytest.mark.skipif("tflite-runtime" in RUNTIMES, reason="both runtimes are installed")
def test_missing_runtime_is_reported_with_a_remedy():
    with pytest.raises(RuntimeMissingError, match=r"tflite-runtime .*install"):
        LoadedModel(tiny_model(), "tiny", "tflite-runtime", 1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_reason_does_not_grow_with_the_number_of_failures(runtime):
    model = LoadedModel(fails_on_bright(), "tiny", runtime, 1)
    reasons = set()
    for number in range(2500):  # the runtime's own message would have 165,000 characters
        model.write(np.full((1, 8, 8, 3), 255 if number % 10 else 0, np.uint8))
        if number % 10 == 0:
            model.invoke()
            continue
        with pytest.raises(BundleError, match="tiny cannot be run by") as caught:
            model.invoke()
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert len(reasons.pop()) < 200


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_reason_names_the_operator_without_advice(runtime):
    with pytest.raises(BundleError) as caught:
        LoadedModel(tiny_model(ending="custom", custom_operator="FlexErf"), "tiny", runtime, 1)
    text = str(caught.value)
    assert "FlexErf" in text and "instructions" not in text and "http" not in text
    clauses = text.split("; ")
    assert len(clauses) == len(set(clauses))
