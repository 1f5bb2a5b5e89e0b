"""Measure the values of each layer of the float network, which int8 must store."""

from collections.abc import Iterable

import numpy as np

from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.training.lite0.architecture import Lite0
from appliance.workshop.training.lite0.layers import write_layers
from appliance.workshop.training.lite0.quantization import ValueRange

# In each picture, this share of the values is clipped at either end.
_CLIPPED_SHARE = 1e-4
# In this share of the pictures, the range is sufficient.
_COVERED_SHARE = 0.98


def measure_ranges(network: Lite0, pictures: Iterable[np.ndarray]) -> list[ValueRange]:
    """Measure the values of each layer.

    Args:
        network: The network.
        pictures: Each (224, 224, 3) uint8.

    Returns:
        The ranges in the order of `write_layers`.
    """
    model = LoadedModel(write_layers(network), "the float network", "auto", 1)
    extremes = []
    for picture in pictures:
        model.write(picture[None])
        model.invoke()
        extremes.append([_find_extremes(model.read(index)) for index in range(len(model.outputs))])
    least, greatest = np.array(extremes).transpose(2, 1, 0)
    lows = np.quantile(least, 1 - _COVERED_SHARE, axis=1)
    highs = np.quantile(greatest, _COVERED_SHARE, axis=1)
    return [ValueRange(min(0.0, float(low)), float(high)) for low, high in zip(lows, highs, strict=True)]


def _find_extremes(values: np.ndarray) -> tuple[float, float]:
    """Return the values below and above which _CLIPPED_SHARE of all lie."""
    flat = values.ravel()
    count = int(len(flat) * _CLIPPED_SHARE)
    ordered = np.partition(flat, (count, len(flat) - 1 - count))
    return float(ordered[count]), float(ordered[-1 - count])
