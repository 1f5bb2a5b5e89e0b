"""The layers of EfficientNet-Lite0, with their batch normalization folded into the weights.

The architecture is that of Google's efficientnet-lite0 (tensorflow/tpu, models/official/efficientnet/lite): that of
EfficientNet without squeeze and excitation, with ReLU6, for pictures of 224 × 224 pixels and values (x − 127) / 128.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from appliance.errors import BaseModelError

SIDE_PX = 224
EPSILON = 1e-3
"""The constant in the batch normalization's square root."""


@dataclass(frozen=True, slots=True)
class FoldedConvolution:
    """A convolution with padding SAME.

    Attributes:
        name: Its name in the weights.
        weights: (outputs, height, width, inputs) float32; if it is depthwise, (1, height, width, channels).
        bias: (outputs,) float32.
        stride: The step, in both directions.
        is_depthwise: Whether each channel has its own filter.
        clips: Whether ReLU6 follows.
    """

    name: str
    weights: np.ndarray
    bias: np.ndarray
    stride: int = 1
    is_depthwise: bool = False
    clips: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual block; its input is added to its output if both have the same shape."""

    convolutions: tuple[FoldedConvolution, ...]
    is_residual: bool


@dataclass(frozen=True, slots=True)
class Lite0:
    """The whole network.

    Attributes:
        stem: The first convolution.
        blocks: The 16 blocks.
        top: The last convolution, whose output is averaged over the picture.
        weights: The classifier's weights, (1000, 1280) float32.
        bias: The classifier's bias, (1000,) float32.
    """

    stem: FoldedConvolution
    blocks: tuple[Block, ...]
    top: FoldedConvolution
    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage: its number of blocks, the first one's stride, and the channels and filters of its blocks.

    Attributes:
        repeats: The number of blocks.
        stride: The stride of the first block; the others have 1.
        outputs: The channels of the outputs.
        expansion: How many times more channels a block has inside than at its input.
        size: The side of the depthwise filters.
    """

    repeats: int
    stride: int
    outputs: int
    expansion: int
    size: int


STAGES = (
    StagePlan(1, 1, 16, 1, 3),
    StagePlan(2, 2, 24, 6, 3),
    StagePlan(2, 2, 40, 6, 5),
    StagePlan(3, 2, 80, 6, 3),
    StagePlan(3, 1, 112, 6, 5),
    StagePlan(4, 2, 192, 6, 5),
    StagePlan(1, 1, 320, 6, 3),
)


def build_network(weights: Mapping[str, np.ndarray]) -> Lite0:
    """Build the network from the published weights.

    Raises:
        BaseModelError: A tensor is missing.
    """
    try:
        blocks: list[Block] = []
        channels = len(weights["_conv_stem.weight"])
        for stage in STAGES:
            for repeat in range(stage.repeats):
                step = stage.stride if repeat == 0 else 1
                block = _build_block(weights, f"_blocks.{len(blocks)}", step)
                blocks.append(Block(block, step == 1 and channels == stage.outputs))
                channels = stage.outputs
        return Lite0(
            stem=_fold(weights, "_conv_stem", "_bn0", stride=2),
            blocks=tuple(blocks),
            top=_fold(weights, "_conv_head", "_bn1"),
            weights=weights["_fc.weight"],
            bias=weights["_fc.bias"],
        )
    except KeyError as error:
        raise BaseModelError(f"the weights are not those of EfficientNet-Lite0: {error} is missing") from error


def _build_block(weights: Mapping[str, np.ndarray], name: str, stride: int) -> tuple[FoldedConvolution, ...]:
    expands = f"{name}._expand_conv.weight" in weights
    return (
        *([_fold(weights, f"{name}._expand_conv", f"{name}._bn0")] if expands else []),
        _fold(weights, f"{name}._depthwise_conv", f"{name}._bn1", stride, is_depthwise=True),
        _fold(weights, f"{name}._project_conv", f"{name}._bn2", clips=False),
    )


def _fold(
    weights: Mapping[str, np.ndarray],
    name: str,
    norm: str,
    stride: int = 1,
    is_depthwise: bool = False,
    clips: bool = True,
) -> FoldedConvolution:
    """Fold a batch normalization into the convolution before it."""
    kernel = weights[f"{name}.weight"].astype(np.float64)
    factor = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"].astype(np.float64) + EPSILON)
    folded = kernel * factor[:, None, None, None]
    # PyTorch's order is (outputs, inputs, height, width).
    axes = (1, 2, 3, 0) if is_depthwise else (0, 2, 3, 1)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * factor
    return FoldedConvolution(
        name, folded.transpose(axes).astype(np.float32), bias.astype(np.float32), stride, is_depthwise, clips
    )
