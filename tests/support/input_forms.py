"""Forms of a model's input, made as the labeler makes them."""

import numpy as np

from appliance.bundle.input_spec import ChannelOrder, DeclaredInput, ResizeMode, combine
from appliance.labeling.input_form import InputForm, find_input_form
from appliance.labeling.interpreter import Tensor


def make_form(
    size_px: tuple[int, int],
    dtype: type = np.uint8,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    order: ChannelOrder | None = None,
    resize: ResizeMode | None = None,
    scale: float = 1.0,
    zero_point: int = 0,
) -> InputForm:
    """Return the form of an input of (width, height), or of a shape, for what a manifest states."""
    tensor = Tensor(0, shape or (1, size_px[1], size_px[0], 3), np.dtype(dtype), scale, zero_point, False)
    declared = DeclaredInput(mean, std, order, resize)
    return find_input_form(tensor, combine([declared], is_quantized=dtype is not np.float32), "it")
