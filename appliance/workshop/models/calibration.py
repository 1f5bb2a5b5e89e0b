"""Measure the range of values of each layer, which determines how int8 stores them."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention

from appliance.workshop.models.network import Network, Residual, center
from appliance.workshop.training.lite0.quantization import ValueRange, compute_range


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not installed for type checks
def measure_ranges(network: Network, pixels: np.ndarray) -> list[ValueRange]:
    """Measure the values after each convolution and each addition, in the order of the file.

    Args:
        network: The trained network.
        pixels: (n, side, side, 3) uint8.
    """
    ranges: list[ValueRange] = []

    def record(signal: torch.Tensor) -> torch.Tensor:
        ranges.append(compute_range(signal.numpy().ravel()))
        return signal

    signal = center(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2))
    for part in network.body:
        if isinstance(part, Residual):
            inner = record(F.relu(part.first(signal)))
            signal = record(F.relu(signal + record(part.second(inner))))
        else:
            signal = record(F.relu(part(signal)))
    return ranges
