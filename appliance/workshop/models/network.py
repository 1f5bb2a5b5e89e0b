"""Define the network: small and residual, with plain 3×3 convolutions and ReLU, and random initial weights.

Convolutions with stride 2 pad only at the end, as TFLite's SAME does for an even side, so the trained network is
exactly the exported one. At this size, dense convolutions suit XNNPACK's kernels better than depthwise ones.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from appliance.workshop.models.paths import LABELS
from appliance.workshop.models.teachers import EMBEDDING, LAST, MIDDLE

SIDE_PX = 128
FEATURES = 256


class Convolution(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """A convolution with batch normalization and stride 1 or 2, without an activation."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, size: int = 3) -> None:
        super().__init__()
        self.stride, self.size = stride, size
        self.weights = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2 if stride == 1 else 0, bias=False)
        self.normal = nn.BatchNorm2d(outputs)

    def forward(self, signal: Tensor) -> Tensor:
        """Compute (n, inputs, side, side) → (n, outputs, side / stride, side / stride)."""
        if self.stride == 2:
            signal = F.pad(signal, (0, 1, 0, 1))
        return self.normal(self.weights(signal))

    def fold(self) -> tuple[Tensor, Tensor]:
        """Return weights (outputs, inputs, size, size) and bias (outputs,) that include the normalization."""
        scale = self.normal.weight / torch.sqrt(self.normal.running_var + self.normal.eps)
        return self.weights.weight * scale[:, None, None, None], self.normal.bias - self.normal.running_mean * scale


class Residual(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """Two convolutions, whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(channels, channels), Convolution(channels, channels)

    def forward(self, signal: Tensor) -> Tensor:
        """Compute (n, channels, side, side) → the same shape."""
        return F.relu(signal + self.second(F.relu(self.first(signal))))


class Network(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """(n, 3, side, side) of (byte − 128) / 128 → logits of the labels and the background.

    During training, the network also predicts the teachers' features; those parts are not exported.
    """

    # The output of this part of the body is compared with the teacher's middle layer.
    MIDDLE_PART = 3

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleList([
            Convolution(3, 16, 2), Convolution(16, 32, 2), Convolution(32, 64, 2), Residual(64),
            Convolution(64, 128, 2), Residual(128), Residual(128), Convolution(128, FEATURES, size=1),
        ])  # fmt: skip
        self.head = nn.Linear(FEATURES, len(LABELS) + 1)
        self.guess = nn.Linear(FEATURES, EMBEDDING)
        self.guess_last = nn.Conv2d(FEATURES, LAST, 1)
        self.guess_middle = nn.Conv2d(64, MIDDLE, 1)

    def forward(self, signal: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute logits and predicted features.

        Returns:
            Logits (n, labels + 1); the predicted pooled features (n, EMBEDDING), last layer (n, LAST, h, w), and middle
            layer (n, MIDDLE, 2 h, 2 w).
        """
        for index, part in enumerate(self.body):
            signal = part(signal) if isinstance(part, Residual) else F.relu(part(signal))
            if index == self.MIDDLE_PART:
                middle = self.guess_middle(signal)
        pooled = signal.mean(dim=(2, 3))
        return self.head(pooled), self.guess(pooled), self.guess_last(signal), middle


def center(values: Tensor) -> Tensor:
    """Convert bytes to the network's input, (byte − 128) / 128."""
    return (values - 128) / 128
