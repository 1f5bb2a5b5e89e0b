"""Find the layers of a base that describe a picture, and add the means of their channels to its graph.

The last layer of a classifier describes what a picture shows, but not where, and little of its texture. The ends of
earlier stages contain both, so their means, over the whole picture or over each of its quarters, improve a new head
(measured in docs/train.md). The layers are found by the structure of the graph:

- The pooled features are the last average over the whole picture that is on every path to the output.
- A stage ends with the last residual sum (or concatenation) of each size that is on every path to the pooled features.
  In a network without such sums, it ends with the last convolution of each size.

Everything is computed by operators of the model, in float32: DEQUANTIZE, AVERAGE_POOL_2D (quarters share the middle row
and column if the size is odd), RESHAPE, CONCATENATION.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.errors import BaseModelError
from appliance.workshop.training import tflite_schema as schema
from appliance.workshop.training.tflite_graph import Graph, Op, TensorFormat, Waypoint

# The number of earlier stages that are offered to a head, the last ones.
MAX_STAGES = 3
FINE_TUNED = -1
# How the means of a stage are taken, and the name of that.
_GRIDS = ((2, "{} in quarters"), (1, "{}"))
# The quarters of a layer with more channels would cost more than they improve.
_MAX_CHANNELS = 512
_POOLS = (Op.AVERAGE_POOL_2D, Op.MEAN)


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """The features from one layer, a part of all features of a base.

    Attributes:
        tensor: The index of the tensor (1, size) float32 in the trunk.
        start: The first column of the group among all features.
        size: The number of features.
        layer: The size of the layer and how it is averaged, such as "14×14×112 in quarters".
        stage: 0 for the pooled features, 1 for the last stage before them, and so on; FINE_TUNED for fine-tuned ones.
        grid: 2 if the means are over the quarters of the picture, 1 if they are over all of it.
    """

    tensor: int
    start: int
    size: int
    layer: str
    stage: int
    grid: int

    @property
    def is_pooled(self) -> bool:
        """Whether these are the pooled features, the last ones of the base."""
        return self.stage == 0

    @property
    def columns(self) -> slice:
        """The columns of the group among all features."""
        return slice(self.start, self.start + self.size)


def find_pooled(graph: Graph, display_name: str) -> Waypoint:
    """Find the pooled features: the last average over the whole picture that is on every path to the output.

    An average inside a block (squeeze and excitation) is skipped, because other paths bypass it. If features of several
    layers are joined into a row, as in models that were trained here, the search follows the longest path to it. If
    rows are multiplied or added, as the scores and logits of fine-tuned models are, it follows the first of them.

    Raises:
        BaseModelError: The graph has no pooled features.
    """
    target: int | None = graph.output
    while target is not None:
        waypoints = graph.list_waypoints(target)
        target = None
        for waypoint in reversed(waypoints):
            if waypoint.code in _POOLS and _is_row(waypoint.shape) and waypoint.stored is not None:
                return waypoint
            if waypoint.code == Op.CONCATENATION and _is_row(waypoint.shape):
                target = max(graph.get_inputs(waypoint.tensor), key=graph.count_operators)
                break
            if waypoint.code in (Op.MUL, Op.ADD) and waypoint.is_join and _is_row(waypoint.shape):
                target = graph.get_inputs(waypoint.tensor)[0]
                break
    raise BaseModelError(
        f"{display_name} cannot be used as a base: it has no layer that averages its features over the picture "
        "(AVERAGE_POOL_2D or MEAN); use an image classifier or an embedding extractor, such as a MobileNet"
    )


def find_stages(graph: Graph, pooled: int) -> list[Waypoint]:
    """Return the ends of the stages before the pooled features, the last first.

    Args:
        graph: The graph of the base.
        pooled: The tensor of the pooled features.
    """
    layers = [waypoint for waypoint in graph.list_waypoints(pooled) if _is_layer(waypoint)]
    joins = [layer for layer in layers if layer.is_join and layer.code in (Op.ADD, Op.CONCATENATION)]
    # The layer that is averaged to the pooled features would add little but its position.
    convolutions = [layer for layer in layers[:-1] if layer.code == Op.CONV_2D]
    ends: dict[tuple[int, ...], Waypoint] = {}
    for layer in reversed(joins or convolutions):
        ends.setdefault(layer.shape, layer)
    return list(ends.values())[:MAX_STAGES]


def add_features(graph: Graph, pooled: Waypoint) -> tuple[list[FeatureGroup], int]:
    """Cut a graph at its features and join them into one row.

    Args:
        graph: The graph of a base; it is edited.
        pooled: The pooled features.

    Returns:
        The groups of features, the pooled ones first, and the tensor (1, features) float32 that contains all.
    """
    stages = find_stages(graph, pooled.tensor)
    tensors = graph.cut(pooled.tensor, *(stage.tensor for stage in stages))
    groups: list[FeatureGroup] = []
    for number, (layer, tensor) in enumerate(zip((pooled, *stages), tensors, strict=True)):
        values = _add_float(graph, tensor, layer.stored)
        size = "×".join(str(length) for length in layer.shape[1:])
        for grid, name in ((1, f"{layer.shape[-1]} pooled"),) if layer is pooled else _GRIDS:
            row = add_row(graph, values if layer is pooled else _add_means(graph, values, layer.shape, grid))
            start = groups[-1].columns.stop if groups else 0
            groups.append(FeatureGroup(row, start, graph.get_shape(row)[1], name.format(size), number, grid))
    return groups, join_rows(graph, [group.tensor for group in groups])


def join_rows(graph: Graph, rows: Sequence[int]) -> int:
    """Append the concatenation of tensors (1, any) float32; return its index."""
    if len(rows) == 1:
        return rows[0]
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    size = sum(graph.get_shape(row)[1] for row in rows)
    return graph.add(Op.CONCATENATION, rows, (1, size), "joined", options)


def _is_row(shape: tuple[int, ...]) -> bool:
    return len(shape) in (2, 4) and shape[-1] > 1 and all(size == 1 for size in shape[:-1])


def _is_layer(waypoint: Waypoint) -> bool:
    shape = waypoint.shape
    is_square = len(shape) == 4 and shape[0] == 1 and min(shape[1:3]) >= 2
    return is_square and shape[3] <= _MAX_CHANNELS and waypoint.stored is not None


def _add_float(graph: Graph, tensor: int, stored: TensorFormat | None) -> int:
    if stored is None or stored.dtype == np.float32:
        return tensor
    # The operator supports int8 as of its version 2.
    version = 2 if stored.dtype == np.int8 else 1
    return graph.add(Op.DEQUANTIZE, [tensor], graph.get_shape(tensor), "features", schema.DequantizeOptionsT(), version)


def _add_means(graph: Graph, layer: int, shape: tuple[int, ...], grid: int) -> int:
    """Append the means over grid × grid fields, which overlap by one row or column if the size is odd."""
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.VALID
    options.filterHeight, options.filterWidth = (-(-length // grid) for length in shape[1:3])
    options.strideH, options.strideW = (length // grid for length in shape[1:3])
    return graph.add(Op.AVERAGE_POOL_2D, [layer], (1, grid, grid, shape[3]), "means", options)


def add_row(graph: Graph, tensor: int) -> int:
    """Append the reshaping of a tensor (1, …) float32 to (1, size); return its index."""
    shape = graph.get_shape(tensor)
    if len(shape) == 2:
        return tensor
    row = (1, int(np.prod(shape)))
    options = schema.ReshapeOptionsT()
    options.newShape = list(row)
    return graph.add(Op.RESHAPE, [tensor, graph.add_constant(np.array(row, np.int32), "row")], row, "row", options)
