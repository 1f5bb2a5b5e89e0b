"""Add fine-tuned blocks to the published base, in addition to the published ones.

Both share the first blocks, which are not trained. The fine-tuned features tell the labels apart better; the published
ones are those that the background bank consists of, so they reject other subjects (see tuned_head.py).
"""

import dataclasses
import hashlib
from collections.abc import Sequence

import numpy as np

from appliance.workshop.training.base import Base, LinearClassifier
from appliance.workshop.training.lite0.architecture import Lite0
from appliance.workshop.training.lite0.layers import add_branch
from appliance.workshop.training.lite0.quantization import ValueRange
from appliance.workshop.training.stages import FINE_TUNED, FeatureGroup, add_row, join_rows
from appliance.workshop.training.tflite_graph import Graph


def add_tuned_features(published: Base, network: Lite0, ranges: Sequence[ValueRange], first: int) -> Base:
    """Return the published base with one more group of features, those of the fine-tuned blocks.

    Args:
        published: The base of the general labeler.
        network: The fine-tuned network; its blocks before `first` are as published.
        ranges: The ranges of values of its layers (see lite0/ranges.py).
        first: The index of the first fine-tuned block.

    Raises:
        BaseModelError: The base has other layers.
    """
    name = f"{published.display_name}, fine-tuned"
    graph = Graph.parse(published.trunk, published.display_name)
    row = add_row(graph, add_branch(graph, network, ranges, first, published.display_name))
    size = graph.get_shape(row)[1]
    trunk = graph.pack([join_rows(graph, [graph.output, row])], "features")
    group = FeatureGroup(row, published.size, size, f"{size} fine-tuned", FINE_TUNED, 1)
    return dataclasses.replace(
        published,
        display_name=name,
        trunk=trunk,
        groups=(*published.groups, group),
        sha256=hashlib.sha256(trunk).hexdigest(),
        published=published,
        classifier=LinearClassifier(network.weights.astype(np.float64), network.bias.astype(np.float64)),
    )
