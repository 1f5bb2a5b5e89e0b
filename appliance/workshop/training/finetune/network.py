"""Define EfficientNet-Lite0 for training, with the names of the published weights.

Convolutions with stride 2 pad as TFLite's SAME does for an even side, so the trained network equals the written one.

The first blocks stay as published, so a device computes them once for the fine-tuned and for the published features.
The last five contain most of the weights, and training only these takes 0.4 of the time (docs/decisions/012).
"""

import copy
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from appliance.workshop.training.lite0.architecture import EPSILON, STAGES

# The share of the old statistics of a batch normalization that each batch replaces, as for the published weights.
_MOMENTUM = 0.01
FEATURES = 1280
FROZEN_BLOCKS = 11
"""The stem and so many blocks are not trained."""


class Lite0Block(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """An inverted residual block."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, size: int, stride: int, is_frozen: bool = False
    ) -> None:
        super().__init__()
        self._convolve = _convolve_folded if is_frozen else _convolve_and_normalize
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
            signal = F.relu6(self._convolve(self._expand_conv, self._bn0, signal), inplace=True)
        padded = _pad_same(signal, self.size, self.stride)
        signal = F.relu6(self._convolve(self._depthwise_conv, self._bn1, padded), inplace=True)
        signal = self._convolve(self._project_conv, self._bn2, signal)
        return entry + signal if self.is_residual else signal


class Lite0Network(nn.Module):  # type: ignore[misc]  # torch is not installed for type checks
    """(n, 3, side, side) of (byte − 127) / 128 → logits (n, labels)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _normalize(32)
        blocks: list[Lite0Block] = []
        channels = 32
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                is_frozen = len(blocks) < FROZEN_BLOCKS
                blocks.append(Lite0Block(channels, stage.outputs, stage.expansion, stage.size, stride, is_frozen))
                channels = stage.outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(channels, FEATURES, 1, bias=False)
        self._bn1 = _normalize(FEATURES)
        self._fc = nn.Linear(FEATURES, labels)
        for module in (self._conv_stem, self._bn0, *blocks[:FROZEN_BLOCKS]):
            module.requires_grad_(False)

    def forward(self, signal: Tensor, kept: Tensor | None = None) -> Tensor:
        """Compute the logits of the labels.

        Args:
            signal: The pictures.
            kept: (n, FEATURES), factors of the features, for dropout in training; None for 1.
        """
        with torch.no_grad():
            signal = F.relu6(_convolve_folded(self._conv_stem, self._bn0, _pad_same(signal, 3, 2)), inplace=True)
            for block in self._blocks[:FROZEN_BLOCKS]:
                signal = block(signal)
        for block in self._blocks[FROZEN_BLOCKS:]:
            signal = block(signal)
        pooled = F.relu6(self._bn1(self._conv_head(signal)), inplace=True).mean(dim=(2, 3))
        return self._fc(pooled if kept is None else pooled * kept)

    def make_replica(self) -> "Lite0Network":
        """Return a network with the same weights in memory, but with gradients and statistics of its own."""
        replica = copy.deepcopy(self)
        for own, shared in zip(replica.parameters(), self.parameters(), strict=True):
            own.data = shared.data
        return replica

    def load_published(self, weights: Mapping[str, np.ndarray]) -> None:
        """Start from published weights (see lite0/weights.py), without their classifier."""
        state = {name: torch.from_numpy(np.array(values)) for name, values in weights.items() if name[:3] != "_fc"}
        self.load_state_dict(state | {name: values for name, values in self.state_dict().items() if name[:3] == "_fc"})

    def export_weights(self) -> dict[str, np.ndarray]:
        """Return the weights under their published names, as lite0/architecture.py expects them."""
        return {name: values.detach().numpy().copy() for name, values in self.state_dict().items()}

    def split_parameters(self) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
        """Return what is trained: the classifier's parameters, the convolutions' weights, and the normalizations'."""
        head = list(self._fc.parameters())
        kernels = [each.weight for each in self.modules() if isinstance(each, nn.Conv2d) and each.weight.requires_grad]
        known = {id(each) for each in (*head, *kernels)}
        return head, kernels, [each for each in self.parameters() if each.requires_grad and id(each) not in known]


def _normalize(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=_MOMENTUM)


def _convolve_and_normalize(convolution: nn.Conv2d, normalization: nn.BatchNorm2d, signal: Tensor) -> Tensor:
    return normalization(convolution(signal))


def _convolve_folded(convolution: nn.Conv2d, normalization: nn.BatchNorm2d, signal: Tensor) -> Tensor:
    """Normalize by the published statistics, within the convolution."""
    factor = normalization.weight / torch.sqrt(normalization.running_var + EPSILON)
    weight = convolution.weight * factor[:, None, None, None]
    bias = normalization.bias - normalization.running_mean * factor
    return F.conv2d(signal, weight, bias, convolution.stride, convolution.padding, groups=convolution.groups)


def _pad_same(signal: Tensor, size: int, stride: int) -> Tensor:
    """Pad as SAME does for stride 2 and an even side; with stride 1, the convolution pads by itself."""
    if stride == 1:
        return signal
    before = (size - 2) // 2
    after = size - 2 - before
    return F.pad(signal, (before, after, before, after))
