"""Open a base for training: a published model that is cut at its features (see stages.py).

Any TFLite image classifier or embedding extractor can be a base, with or without labels, because only its features
matter, not the classes for which it was trained. Therefore the labels of a bare .tflite are not read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_unlabeled_model
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.input_spec import DeclaredInput, InputSpec, override
from appliance.bundle.tflite_metadata import read_facts
from appliance.errors import BaseModelError, BundleError
from appliance.labeling.input_form import InputForm, find_input_form
from appliance.labeling.interpreter import LoadedModel, Tensor
from appliance.workshop.training.stages import FeatureGroup, add_features, find_pooled
from appliance.workshop.training.tflite_graph import Graph

_NOTHING = DeclaredInput()


@dataclass(frozen=True, slots=True)
class LinearClassifier:
    """Computes a logit for each label from features.

    Attributes:
        weights: (labels, size).
        intercepts: (labels,).
    """

    weights: np.ndarray
    intercepts: np.ndarray

    @property
    def size(self) -> int:
        """The number of features."""
        return int(self.weights.shape[1])

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        """Map (pictures, size) to (pictures, labels)."""
        logits: np.ndarray = features @ self.weights.T + self.intercepts
        return logits

    def scale(self, factor: float) -> "LinearClassifier":
        """Return the classifier whose logits are multiplied by a factor."""
        return LinearClassifier(self.weights * factor, self.intercepts * factor)


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is ready to compute features.

    Attributes:
        display_name: The path as given by the user.
        trunk: The cut model as a .tflite file; its output is the features of all groups, (1, size) float32.
        groups: The features by layer, the pooled ones first.
        form: The form of the input.
        input: How a picture becomes the input, and what states that.
        mean: The mean of the input's normalization, for the metadata of the new model.
        std: The standard deviation of the input's normalization; see `mean`.
        sha256: The hash of the trunk; bases with equal trunks share their cached features.
        runtime: The name and version of the runtime; a different runtime may give slightly different features.
        published: The published base that it was fine-tuned from, whose groups come first; None if it is a published
            base itself. Fine-tuned features have seen the training pictures, so only validation pictures show how they
            do on new ones.
        classifier: The classifier of the labels that was trained together with the fine-tuned features; else None.
    """

    display_name: str
    trunk: bytes
    groups: tuple[FeatureGroup, ...]
    form: InputForm
    input: InputSpec
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    sha256: str
    runtime: str
    published: "Base | None" = None
    classifier: LinearClassifier | None = None

    @property
    def size(self) -> int:
        """The number of features of all groups."""
        return sum(group.size for group in self.groups)


def open_base(path: Path, declared: DeclaredInput = _NOTHING) -> Base:
    """Open a bundle (folder, .zip, or .tflite) or an embedding extractor (.tflite) as a base.

    Args:
        path: The bundle or the .tflite.
        declared: What the user states about the input, in place of what the file states.

    Raises:
        BaseModelError: The file cannot be used as a base; the message states why.
        RuntimeMissingError: No TFLite runtime works on this system.
    """
    display_name = str(path)
    try:
        model, spec = read_unlabeled_model(Path(path))
        facts = read_facts(model)
    except (BundleError, MalformedError) as error:
        raise BaseModelError(f"{display_name} cannot be used as a base: {error}") from error
    spec = override(spec, declared)
    graph = Graph.parse(model, display_name)
    groups, features = add_features(graph, find_pooled(graph, display_name))
    trunk = graph.pack([features], "features")
    picture, runtime = _run_once(trunk, display_name)
    try:
        form = find_input_form(picture, spec, display_name)
    except BundleError as error:
        raise BaseModelError(f"{display_name} cannot be used as a base: {error}") from error
    if spec.is_assumed:
        raise BaseModelError(
            f"{display_name} does not state the range of its float input; give --input-range 0..255, 0..1, or -1..1 "
            "(appliance model try shows what the model answers under each)"
        )
    sha256 = hashlib.sha256(trunk).hexdigest()
    mean, std = spec.mean or facts.mean, spec.std or facts.std
    return Base(display_name, trunk, tuple(groups), form, spec, mean, std, sha256, runtime)


def _run_once(trunk: bytes, display_name: str) -> tuple[Tensor, str]:
    """Run the cut model once to make sure that it works; return its input and the runtime's name."""
    try:
        loaded = LoadedModel(trunk, display_name, "auto", 1)
        picture = loaded.inputs[0]
        if len(picture.shape) == 4 and not picture.resizable:
            loaded.write(np.zeros(picture.shape, picture.dtype))
            loaded.invoke()
    except (BundleError, ValueError) as error:
        raise BaseModelError(f"{display_name} cannot be used as a base: {error}") from error
    return picture, loaded.runtime
