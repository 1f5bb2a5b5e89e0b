"""Describe how a picture becomes the input of a model: value range, channel order, resize, and where that is stated.

A quantized input takes the pixels as they are, because its scale already contains the normalization. A float input is
(pixel − mean) / std, and its file need not state either: the models in use expect 0–255, 0–1, −1–1, or ImageNet's mean
and standard deviation. The first of these sources that states a range is used:

1. the manifest (inputRange, or inputMean and inputStd),
2. TFLite metadata inside the model (NormalizationOptions),
3. the export's own file: Lobe's signature.json, Custom Vision's metadata_properties.json (export_files.py),
4. the quantization of the input,
5. an assumption: −1–1, as most float models of TensorFlow's examples expect.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

METADATA, MANIFEST, QUANTIZATION, ASSUMED = "metadata", "manifest", "quantization", "assumed"
# Of an assumed range: −1–1.
_ASSUMED_MEAN = _ASSUMED_STD = (127.5,)
_PIXEL_MAX = 255.0


class ChannelOrder(StrEnum):
    """The order of the colors of a pixel."""

    RGB = "RGB"
    BGR = "BGR"


class ResizeMode(StrEnum):
    """How a picture of another shape is made to fit the input.

    STRETCH changes its proportions, CROP keeps its center, LETTERBOX adds black bars.
    """

    STRETCH = "stretch"
    CROP = "crop"
    LETTERBOX = "letterbox"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How a picture becomes the input of a model.

    Attributes:
        mean: Of the normalization (pixel − mean) / std with pixels from 0 to 255: one value, or one per channel in the
            order of the model's channels. None for a quantized input that takes the pixels as they are.
        std: See `mean`; never 0.
        channel_order: The order of the colors.
        resize: How the picture is fitted.
        source: What states the range: METADATA, MANIFEST, QUANTIZATION, ASSUMED, or the name of an export's file.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: ChannelOrder = ChannelOrder.RGB
    resize: ResizeMode = ResizeMode.STRETCH
    source: str = QUANTIZATION

    @property
    def is_assumed(self) -> bool:
        """Whether nothing states the range."""
        return self.source == ASSUMED

    def as_manifest(self) -> dict[str, Any]:
        """Return the manifest's keys that state what the model file itself does not."""
        values: dict[str, Any] = {}
        if self.mean is not None and self.std is not None and self.source not in (METADATA, QUANTIZATION, ASSUMED):
            values |= {"inputMean": _simplify(self.mean), "inputStd": _simplify(self.std)}
            if self.source != MANIFEST:
                values["inputSource"] = self.source
        if self.channel_order is not ChannelOrder.RGB:
            values["channelOrder"] = str(self.channel_order)
        if self.resize is not ResizeMode.STRETCH:
            values["resize"] = str(self.resize)
        return values

    def describe_range(self) -> str:
        """Describe the range and its source for people, for example "-1..1 (assumed)"."""
        return f"{self.describe_values()} ({_SOURCE_NAMES.get(self.source, f'from {self.source}')})"

    def describe(self) -> str:
        """Describe everything that differs from the common case, for example "0..1 (from the manifest), BGR, crop"."""
        parts = [self.describe_range()]
        if self.channel_order is not ChannelOrder.RGB:
            parts.append(str(self.channel_order))
        if self.resize is not ResizeMode.STRETCH:
            parts.append(f"resize {self.resize}")
        return ", ".join(parts)

    def describe_values(self) -> str:
        """Describe the values of black and white pixels, for example "0..1"; or the mean and std."""
        if self.mean is None or self.std is None:
            return "0..255"
        ranges = {
            (_format((0 - mean) / std), _format((_PIXEL_MAX - mean) / std))
            for mean, std in zip(*_pair(self.mean, self.std), strict=True)
        }
        if len(ranges) == 1:
            return "..".join(ranges.pop())
        return f"mean {_format_all(self.mean)}, std {_format_all(self.std)}"


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """What one file or the options of a command state about the input; None for what they do not state.

    Attributes:
        mean: See InputSpec.
        std: See InputSpec; given if and only if `mean` is.
        channel_order: See InputSpec.
        resize: See InputSpec.
        source: See InputSpec.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: ChannelOrder | None = None
    resize: ResizeMode | None = None
    source: str = MANIFEST


_SOURCE_NAMES = {
    METADATA: "from the model's metadata",
    MANIFEST: "from the manifest",
    QUANTIZATION: "from the model's quantization",
    ASSUMED: "assumed",
}


def convert_range(low: float, high: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and std that map the pixels 0–255 to low–high.

    Raises:
        ValueError: The two are equal or not finite.
    """
    std = _PIXEL_MAX / (high - low) if math.isfinite(low) and math.isfinite(high) and high != low else 0.0
    if not std or not math.isfinite(std):
        raise ValueError("a range needs two different finite numbers")
    return (0.0 - low * std,), (std,)


def check_normalization(mean: Sequence[float], std: Sequence[float]) -> str | None:
    """Return what is wrong with a mean and a std, or None."""
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, 3) or not all(map(math.isfinite, values)) or (name == "std" and 0 in values):
            return f"the {name} is {list(values)[:5]}; it must be 1 or 3 numbers (std not 0)"
    return None


def combine(declared: Sequence[DeclaredInput], is_quantized: bool) -> InputSpec:
    """Combine what several sources state.

    Args:
        declared: The statements, the most important first; the range comes from the first that has one, and so do the
            channel order and the resize.
        is_quantized: Whether the input is uint8 or int8.
    """
    normalization = next((item for item in declared if item.mean is not None), None)
    if normalization is not None:
        mean, std, source = normalization.mean, normalization.std, normalization.source
        if is_quantized and source == METADATA:
            # The metadata of a quantized model repeats what its scale contains already.
            mean = std = None
            source = QUANTIZATION
    elif is_quantized:
        mean, std, source = None, None, QUANTIZATION
    else:
        mean, std, source = _ASSUMED_MEAN, _ASSUMED_STD, ASSUMED
    order = next((item.channel_order for item in declared if item.channel_order is not None), ChannelOrder.RGB)
    resize = next((item.resize for item in declared if item.resize is not None), ResizeMode.STRETCH)
    return InputSpec(mean, std, order, resize, source)


def override(spec: InputSpec, declared: DeclaredInput) -> InputSpec:
    """Return a spec with the statements of a command's options in place of its own."""
    return InputSpec(
        spec.mean if declared.mean is None else declared.mean,
        spec.std if declared.std is None else declared.std,
        declared.channel_order or spec.channel_order,
        declared.resize or spec.resize,
        spec.source if declared.mean is None else declared.source,
    )


def list_common_ranges() -> Mapping[str, DeclaredInput]:
    """Return the ranges that a float model may expect, by the text of the option --input-range."""
    ranges = {"-1..1": (-1, 1), "0..1": (0, 1), "0..255": (0, 255)}
    return {name: DeclaredInput(*convert_range(low, high)) for name, (low, high) in ranges.items()}


def _pair(mean: Sequence[float], std: Sequence[float]) -> tuple[list[float], list[float]]:
    count = max(len(mean), len(std))
    return list(mean) * (count // len(mean)), list(std) * (count // len(std))


def _simplify(values: Sequence[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else list(values)


def _format(value: float) -> str:
    return f"{round(value, 2) + 0.0:g}"


def _format_all(values: Sequence[float]) -> str:
    return "/".join(map(_format, values))
