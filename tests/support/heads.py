"""Heads with random weights, and the features that a base gives for pictures."""

import numpy as np

from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.preprocess import Preprocessor
from appliance.workshop.training.base import Base
from appliance.workshop.training.gate import PrincipalSubspace, RejectionGate
from appliance.workshop.training.head import ClassifierHead
from appliance.workshop.training.head_input import HeadInput

LABELS = ("a", "b", "c", "d")


def random_head(x: np.ndarray, gate: bool = True) -> ClassifierHead:
    """Return a head with random weights, a class that is no label, and a gate that accepts about half of x."""
    random, size = np.random.default_rng(0), x.shape[1]
    mean, components = x.mean(axis=0), np.linalg.qr(random.normal(size=(size, min(8, size))))[0]
    subspace = PrincipalSubspace(mean, components)
    distances = subspace.measure_distances(x)
    softness = max(float(distances.std()), 0.01)
    limits = distances.mean() + softness * np.array([0.0, 0.5, -0.5, 1.0])
    fitted = RejectionGate(subspace, limits, softness) if gate else None
    classes = len(LABELS) + 1
    return ClassifierHead(LABELS, random.normal(size=(classes, size)) / 10, random.normal(size=classes), fitted, 1.0)


def full_input(base: Base) -> HeadInput:
    """Return the input of a head that uses all features of a base."""
    random = np.random.default_rng(1)
    return HeadInput(base.groups, random.uniform(0, 1, base.size), random.uniform(0.5, 2, base.size))


def features_of(base: Base, pictures: list[np.ndarray]) -> np.ndarray:
    """Return all features of pictures."""
    model = LoadedModel(base.trunk, "trunk", "auto", 1)
    preparer = Preprocessor(View(), base.form)
    stored = []
    for picture in pictures:
        model.write(preparer.prepare(picture))
        model.invoke()
        stored.append(model.read().reshape(-1))
    return np.stack(stored)
