"""Define EfficientNet-Lite0 for training, with the names of the published weights.

Convolutions with stride 2 pad as TFLite's SAME does for an even side, so the trained network equals the written one.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from appliance.workshop.training.lite0.architecture import EPSILON, STAGES

# The share of the old statistics of a batch normalization that each batch replaces, as for the published weights.
_MOMENTUM = 0.01
_DROPOUT = 0.2
_FEATURES = 1280


class Lite0Block(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """An inverted residual block."""

    def __init__(self, inputs: int, outputs: int, expansion: int, size: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.stride, self.size, self.expands = stride, size, expansion > 1
        self.is_residual = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = _normalize(wide)
        padding = 0 if stride == 2 else size // 2
        self._depthwise_conv = nn.Conv2d(wide, wide, size, stride, padding, groups=wide, bias=False)
        self._bn1 = _normalize(wide)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = _normalize(outputs)

    def forward(self, signal: Tensor) -> Tensor:
        """Compute (n, inputs, side, side) → (n, outputs, side / stride, side / stride)."""
        entry = signal
        if self.expands:
            signal = F.relu6(self._bn0(self._expand_conv(signal)))
        signal = F.relu6(self._bn1(self._depthwise_conv(_pad_same(signal, self.size, self.stride))))
        signal = self._bn2(self._project_conv(signal))
        return entry + signal if self.is_residual else signal


class Lite0Network(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """(n, 3, side, side) of (byte − 127) / 128 → logits (n, labels)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _normalize(32)
        blocks, channels = [], 32
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(Lite0Block(channels, stage.outputs, stage.expansion, stage.size, stride))
                channels = stage.outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(channels, _FEATURES, 1, bias=False)
        self._bn1 = _normalize(_FEATURES)
        self._fc = nn.Linear(_FEATURES, labels)

    def forward(self, signal: Tensor) -> Tensor:
        """Compute the logits of the labels."""
        signal = F.relu6(self._bn0(self._conv_stem(_pad_same(signal, 3, 2))))
        for block in self._blocks:
            signal = block(signal)
        pooled = F.relu6(self._bn1(self._conv_head(signal))).mean(dim=(2, 3))
        return self._fc(F.dropout(pooled, _DROPOUT, self.training))

    def load_published(self, weights: Mapping[str, np.ndarray]) -> None:
        """Start from published weights (see lite0/weights.py), without their classifier."""
        state = {name: torch.from_numpy(np.array(values)) for name, values in weights.items() if name[:3] != "_fc"}
        self.load_state_dict(state | {name: values for name, values in self.state_dict().items() if name[:3] == "_fc"})

    def export_weights(self) -> dict[str, np.ndarray]:
        """Return the weights under their published names, as lite0/architecture.py expects them."""
        return {name: values.detach().numpy().copy() for name, values in self.state_dict().items()}

    def split_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Return the classifier's parameters, the weights of the convolutions, and everything else (normalization)."""
        head = list(self._fc.parameters())
        kernels = [each.weight for each in self.modules() if isinstance(each, nn.Conv2d)]
        known = {id(each) for each in (*head, *kernels)}
        return head, kernels, [each for each in self.parameters() if id(each) not in known]


def _normalize(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=_MOMENTUM)


def _pad_same(signal: Tensor, size: int, stride: int) -> Tensor:
    """Pad as SAME does for stride 2 and an even side; with stride 1, the convolution pads by itself."""
    if stride == 1:
        return signal
    before = (size - 2) // 2
    after = size - 2 - before
    return F.pad(signal, (before, after, before, after))
