"""The network, as it is trained: a small residual one of plain 3×3 convolutions and ReLU, with its own random start.

Convolutions of stride 2 pad the end alone, as TFLite's SAME does for an even side; so what is trained is what is
exported. Dense convolutions suit the kernels of XNNPACK better than depthwise ones at this size.
"""

import torch
import torch.nn.functional as F
from places import LABELS
from teach import EMBEDDING, LAST, MIDDLE
from torch import Tensor, nn

SIDE_PX = 128
FEATURES = 256


class Convolution(nn.Module):
    """Convolution and batch normalisation; of stride 1 or 2, without an activation."""

    def __init__(self, inside: int, outside: int, stride: int = 1, size: int = 3):
        super().__init__()
        self.stride, self.size = stride, size
        self.weights = nn.Conv2d(inside, outside, size, stride, padding=size // 2 if stride == 1 else 0, bias=False)
        self.normal = nn.BatchNorm2d(outside)

    def forward(self, signal: Tensor) -> Tensor:
        if self.stride == 2:
            signal = F.pad(signal, (0, 1, 0, 1))
        return self.normal(self.weights(signal))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weights (out, in, size, size) and bias (out,) with the normalisation in them."""
        scale = self.normal.weight / torch.sqrt(self.normal.running_var + self.normal.eps)
        return self.weights.weight * scale[:, None, None, None], self.normal.bias - self.normal.running_mean * scale


class Residual(nn.Module):
    """Two convolutions whose result is added to what went in."""

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = Convolution(channels, channels), Convolution(channels, channels)

    def forward(self, signal: Tensor) -> Tensor:
        return F.relu(signal + self.second(F.relu(self.first(signal))))


class Network(nn.Module):
    """(n, 3, side, side) of (byte − 128) / 128 → logits of the labels and BACKGROUND.

    While it learns it also guesses the teacher's features; those parts are not exported.
    """

    # What comes out of this part of the body is held against the teacher's middle layer.
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
        """Logits, and the guesses: pooled (n, EMBEDDING), last (n, LAST, h, w), middle (n, MIDDLE, 2 h, 2 w)."""
        for number, part in enumerate(self.body):
            signal = part(signal) if isinstance(part, Residual) else F.relu(part(signal))
            if number == self.MIDDLE_PART:
                middle = self.guess_middle(signal)
        pooled = signal.mean(dim=(2, 3))
        return self.head(pooled), self.guess(pooled), self.guess_last(signal), middle
