"""A base with one more group of features, as fine-tuning makes it, but of a few operators."""

import dataclasses
import hashlib

import numpy as np

from appliance.workshop.training.base import Base, LinearClassifier
from appliance.workshop.training.stages import FINE_TUNED, FeatureGroup, join_rows
from appliance.workshop.training.tflite_graph import Graph, Op


def tune(published: Base, weights: np.ndarray) -> Base:
    """Return the base with its last features a second time, as fine-tuned ones, and a classifier of these."""
    graph = Graph.parse(published.trunk, "published")
    size = published.groups[-1].size
    row = graph.add(Op.RELU, [published.groups[-1].tensor], (1, size), "tuned")
    trunk = graph.pack([join_rows(graph, [graph.output, row])], "features")
    return dataclasses.replace(
        published,
        display_name="tuned",
        trunk=trunk,
        groups=(*published.groups, FeatureGroup(row, published.size, size, f"{size} fine-tuned", FINE_TUNED, 1)),
        sha256=hashlib.sha256(trunk).hexdigest(),
        published=published,
        classifier=LinearClassifier(weights, np.zeros(len(weights))),
    )
