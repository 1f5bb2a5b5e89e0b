"""Run the first half of the second stage: record the features that two larger models compute for the pictures.

The teachers are general models with an input of 224×224 pixels. The pooled features of both are recorded, and the last
layer and a middle layer of the first one at each position of the picture, because these provide far more information
per picture than a label. This includes every stored picture except the drawn scenes. The bundled model contains none of
the teachers' weights.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.models.paths import DATA, WORK
from appliance.workshop.models.prepare import load_pictures
from appliance.workshop.models.projection import Projection, fit_projection
from appliance.workshop.training.stages import find_pooled
from appliance.workshop.training.tflite_graph import Graph

# Layers are recorded only for the first teacher, pooled features for both.
TEACHERS = ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "tf2_mobilenet_v2_1.0_224_ptq.tflite")
EMBEDDING = 192
# The numbers of features per position, and of positions per side, that are kept from the last and the middle layer.
LAST, LAST_SIDE = 64, 7
MIDDLE, MIDDLE_SIDE = 48, 14
_PROJECTED_ON = 400
_PROCESSES = 2
_TEACHER_PX = 224


@dataclass(frozen=True, slots=True)
class TeacherFeatures:
    """The features of n pictures, or of one picture without the first axis.

    Attributes:
        pooled: (n, features).
        last: (n, LAST_SIDE, LAST_SIDE, channels).
        middle: (n, MIDDLE_SIDE, MIDDLE_SIDE, channels).
    """

    pooled: np.ndarray
    last: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True, slots=True)
class LayerProjections:
    """The projections with which the two layers are stored."""

    last: Projection
    middle: Projection


class Teacher:
    """A larger model that computes features of pictures."""

    def __init__(self, file: str) -> None:
        """Load a model from the folder models/ of the data."""
        self._model = LoadedModel(cut_teacher((DATA / "models" / file).read_bytes(), file), file, "litert", 1)

    def compute_features(self, pixels: np.ndarray) -> TeacherFeatures:
        """Compute sqrt(max(x, 0)) of each output, float32, for one picture (height, width, 3) uint8."""
        picture = np.asarray(cv2.resize(pixels, (_TEACHER_PX, _TEACHER_PX), interpolation=cv2.INTER_LINEAR))
        self._model.write(picture[None])
        self._model.invoke()
        pooled, last, middle = (self._read_output(index) for index in range(3))
        return TeacherFeatures(pooled.reshape(-1), last, middle)

    def _read_output(self, index: int) -> np.ndarray:
        tensor = self._model.outputs[index]
        values = self._model.read(index)[0].astype(np.float32)
        features: np.ndarray = np.sqrt(np.maximum((values - tensor.zero_point) * np.float32(tensor.scale), 0))
        return features


def cut_teacher(content: bytes, display_name: str) -> bytes:
    """Cut a classifier at its pooled features, the layer of which they are the mean, and the last layer of 14×14.

    Args:
        content: The bytes of a .tflite file.
        display_name: The name of the model in error messages.

    Returns:
        The model as a .tflite file with these three outputs.

    Raises:
        BaseModelError: The model has no pooled features.
    """
    graph = Graph.parse(content, display_name)
    pooled = find_pooled(graph, display_name).tensor
    last = middle = graph.get_source(pooled)
    while graph.get_shape(middle)[1] != MIDDLE_SIDE:
        middle = graph.get_source(middle)
    return graph.pack(graph.cut(pooled, last, middle), "features")


def record_features() -> None:
    """Write the teachers' features.

    features.npy contains the pooled features, (n, features) float16, NaN for pictures that were not processed;
    places.npz contains the projected layers, and the row of each picture in them, −1 for none.
    """
    began_s = time.monotonic()
    pictures = load_pictures()
    # The teachers were not trained on drawings.
    seen = np.flatnonzero(~pictures.select_group("scenes"))
    few = np.sort(np.random.default_rng(0).choice(seen, _PROJECTED_ON, replace=False))
    samples = _compute_all(few, None)
    projections = LayerProjections(fit_projection(samples.last, LAST), fit_projection(samples.middle, MIDDLE))
    halves = seen[::_PROCESSES], seen[1::_PROCESSES]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        parts = list(pool.map(_compute_all, halves, (projections, projections)))
    features = np.full((len(pictures.label), parts[0].pooled.shape[1]), np.nan, np.float16)
    for half, part in zip(halves, parts, strict=True):
        features[half] = part.pooled
    np.save(WORK / "features.npy", features)
    row = np.full(len(features), -1)
    row[np.concatenate(halves)] = np.arange(len(seen))
    last, middle = np.concatenate([part.last for part in parts]), np.concatenate([part.middle for part in parts])
    np.savez(WORK / "places.npz", row=row, last=last, middle=middle)
    print(f"the teachers' features of {len(seen):,} pictures, {time.monotonic() - began_s:.0f} s")


def _compute_all(indices: np.ndarray, projections: LayerProjections | None) -> TeacherFeatures:
    """Compute the pooled features of all teachers and the layers of the first, projected if possible; all float16."""
    pixels = load_pictures().pixels
    first, *others = (Teacher(file) for file in TEACHERS)
    pooled, last, middle = [], [], []
    for count, index in enumerate(indices):
        features = first.compute_features(pixels[index])
        rest = [other.compute_features(pixels[index]).pooled for other in others]
        pooled.append(np.concatenate([features.pooled, *rest]).astype(np.float16))
        last.append((projections.last.project(features.last) if projections else features.last).astype(np.float16))
        middle.append(
            (projections.middle.project(features.middle) if projections else features.middle).astype(np.float16)
        )
        if count % 1000 == 0:
            print(f"the teachers have processed {count:,} of {len(indices):,} pictures", flush=True)
    return TeacherFeatures(np.stack(pooled), np.stack(last), np.stack(middle))
