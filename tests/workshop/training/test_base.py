"""Bases: what can be one, and what is rejected."""

import numpy as np
import pytest

from appliance.errors import BaseModelError
from appliance.workshop.training.base import open_base
from appliance.workshop.training.tflite_head import write_model
from support.heads import features_of, full_input, random_head
from support.tiny_models import tiny_model
from support.training import write_base


def test_trained_model_can_be_a_base(tmp_path):
    base = open_base(write_base(tmp_path / "base.tflite"))
    (tmp_path / "new.tflite").write_bytes(
        write_model(base, full_input(base), random_head(np.ones((2, base.size))), "new")
    )
    again = open_base(tmp_path / "new.tflite")
    picture = np.full((20, 20, 3), (200, 90, 30), np.uint8)
    np.testing.assert_array_equal(features_of(again, [picture]), features_of(base, [picture]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be used as a base"),
        (b"hello, this is no model at all", "cannot be used as a base"),
        (tiny_model()[:300], "damaged or truncated"),
        (tiny_model(outputs=2), "one input and one output"),
        (tiny_model(single=True, ending=None), "no layer that averages"),
        (tiny_model(input_shape=(1, 8, 6, 1)), "no layer that averages|does not state the range"),
        (tiny_model(input_shape=(1, 8, 6, 4)), "not an image classifier: its input is"),
        (tiny_model(input_shape=(1, 8, 6, 3), signature=(1, -1, -1, 3)), "of dynamic size"),
    ],
)
def test_unsuitable_file_is_rejected(tmp_path, content, reason):
    (tmp_path / "base.tflite").write_bytes(content)
    with pytest.raises(BaseModelError, match=reason) as caught:
        open_base(tmp_path / "base.tflite")
    assert "base.tflite" in str(caught.value)
    assert not str(caught.value).endswith(".")


def test_other_model_is_rejected(data):
    with pytest.raises(BaseModelError, match="no layer that averages its features"):
        open_base(data / "models" / "invalid" / "model_invoking_error.tflite")


def test_missing_base_is_rejected(tmp_path):
    with pytest.raises(BaseModelError, match="does not exist"):
        open_base(tmp_path / "nothing.tflite")
