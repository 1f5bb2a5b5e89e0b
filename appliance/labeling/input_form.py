"""The form of a model's input: size, type, channels and their layout, and the stored value of each pixel level.

The layout is read from the shape: [1, height, width, 3] or [1, height, width, 1], channels first ([1, 3, height, width]
or [1, 1, height, width]), or a picture of one channel without an axis for it ([1, height, width]).
"""

from dataclasses import dataclass, field

import numpy as np

from appliance.bundle.input_spec import ChannelOrder, InputSpec, ResizeMode
from appliance.errors import BundleError
from appliance.labeling.interpreter import Tensor

_DTYPES = (np.uint8, np.int8, np.float32)
_CHANNELS = (1, 3)
_SHAPES = "[1, height, width, 3], [1, height, width, 1], or one of them with the channels first"
_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class InputForm:
    """The form of a model's input.

    Attributes:
        size_px: (width, height).
        dtype: uint8, int8, or float32.
        channels: 3 for colors, 1 for luma (0.299 R + 0.587 G + 0.114 B, ITU-R BT.601).
        is_channels_first: Whether the channels come before the rows.
        shape: The shape of the tensor, which always has the batch size 1.
        table: (256,) or (256, 3), the stored value of each pixel level; None if it is the level itself.
        is_bgr: Whether the channels are in the order blue, green, red.
        resize: How a picture of another shape is fitted.
    """

    size_px: tuple[int, int]
    dtype: np.dtype
    channels: int = 3
    is_channels_first: bool = False
    shape: tuple[int, ...] = ()
    table: np.ndarray | None = field(default=None, repr=False)
    is_bgr: bool = False
    resize: ResizeMode = ResizeMode.STRETCH


def find_input_form(tensor: Tensor, spec: InputSpec, display_name: str) -> InputForm:
    """Return the form of an input tensor for what is stated about it.

    Raises:
        BundleError: The tensor is not a picture, or the normalization does not fit it.
    """
    height, width, channels, is_channels_first = _parse_shape(tensor, display_name)
    if tensor.resizable:
        raise BundleError(f"{display_name} has an input of dynamic size; export it with a fixed height and width")
    if tensor.dtype not in _DTYPES:
        raise _reject(display_name, f"its input is {tensor.dtype}, not uint8, int8 or float32")
    if channels == 1 and spec.mean is not None and spec.std is not None and max(len(spec.mean), len(spec.std)) > 1:
        raise BundleError(
            f"{display_name} has an input of one channel, but a mean or std for three; give one number for each"
        )
    return InputForm(
        size_px=(width, height),
        dtype=tensor.dtype,
        channels=channels,
        is_channels_first=is_channels_first,
        shape=tensor.shape,
        table=_build_table(tensor, spec),
        is_bgr=spec.channel_order is ChannelOrder.BGR and channels == 3,
        resize=spec.resize,
    )


def _parse_shape(tensor: Tensor, display_name: str) -> tuple[int, int, int, bool]:
    """Return the height, the width, the number of channels, and whether the channels come first."""
    shape = tensor.shape
    if len(shape) == 4 and shape[0] == 1 and shape[3] in _CHANNELS:
        return shape[1], shape[2], shape[3], False
    if len(shape) == 4 and shape[0] == 1 and shape[1] in _CHANNELS:
        return shape[2], shape[3], shape[1], True
    if len(shape) == 3 and shape[0] == 1 and min(shape[1:]) > 3:
        return shape[1], shape[2], 1, False
    raise _reject(display_name, f"its input is {list(shape)}, not {_SHAPES}")


def _build_table(tensor: Tensor, spec: InputSpec) -> np.ndarray | None:
    """Return the stored value of each pixel level; None if it is the level, as a byte.

    A quantized input stores value / scale + zero point (TFLite 8-bit quantization specification). If nothing states
    a normalization, the scale contains it, and the levels are stored unchanged (uint8) or less 128 (int8).
    """
    values = None
    if spec.mean is not None and spec.std is not None:
        values = (_LEVELS[:, np.newaxis] - np.array(spec.mean)) / np.array(spec.std)
    if tensor.dtype == np.float32:
        levels = _LEVELS[:, np.newaxis] if values is None else values
        return np.squeeze(levels.astype(np.float32))
    table = np.arange(-128, 128, dtype=np.int8) if tensor.dtype == np.int8 else np.arange(256, dtype=np.uint8)
    if values is not None and tensor.scale:
        limits = np.iinfo(tensor.dtype)
        stored = np.rint(values / tensor.scale + tensor.zero_point)
        table = np.squeeze(np.clip(stored, limits.min, limits.max).astype(tensor.dtype))
    return None if np.array_equal(table, np.arange(256)) else table


def _reject(display_name: str, reason: str) -> BundleError:
    return BundleError(f"{display_name} is not an image classifier: {reason}")
