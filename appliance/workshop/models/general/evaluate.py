"""Run the stage evaluate: print the figures of the general labeler's card."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.imaging.files import read_picture
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.system.shipped import find_shipped
from appliance.workshop.models.general.build import FLOAT_MODEL, NAME
from appliance.workshop.models.general.conversion import shrink
from appliance.workshop.models.general.still_scenes import count_events, read_indoor_scenes
from appliance.workshop.models.paths import DATA
from appliance.workshop.models.photographs import read_photographs
from appliance.workshop.training.train import TrainingRequest, train_bundle

SETS = ("flowers", "clothing", "sign_digits")
# The names of the labels of clothing that have one.
GARMENTS = {
    "dress": "dress",
    "hat": "hat",
    "longsleeve": "shirt",
    "outwear": "coat",
    "pants": "trousers",
    "shirt": "shirt",
    "shoes": "shoe",
    "skirt": "dress",
    "t_shirt": "shirt",
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the int8 labeler follows the float32 network.

    Attributes:
        pictures: The number of pictures.
        first: The share whose best label is the same.
        first_two: The share whose best label in float32 is among the best two in int8.
    """

    pictures: int
    first: float
    first_two: float


def print_figures() -> None:
    """Print every figure; `scripts/make-general` must have written the float32 network."""
    bundle = read_bundle(find_shipped(NAME))
    print(f"{bundle.identity.name} {bundle.identity.version}: {bundle.model_file.stat().st_size:,} bytes (5,500,000)")
    labeler = Labeler(bundle)
    print(f"events per hour in still scenes, {_describe_counts(count_events(labeler, read_indoor_scenes()))}")
    precision, recall = measure_garments(labeler)
    print(f"clothing val, at the threshold: {precision:.3f} of the labels are right, recall {recall:.3f}")
    agreement = compare(FLOAT_MODEL.read_bytes(), bundle.read_model(), _read_check_pictures())
    print(
        f"{agreement.pictures} pictures: float32's best name is among int8's first two in {agreement.first_two:.3f} "
        f"(0.950), and the first in {agreement.first:.3f}"
    )
    for name in SETS:
        of_float, of_int8 = (measure_as_base(path, name) for path in (FLOAT_MODEL, find_shipped(NAME)))
        print(f"as a base, {name} val: float32 {of_float:.3f}, int8 {of_int8:.3f} (at most 0.010 less)", flush=True)


def compare(reference: bytes, converted: bytes, pictures: Iterator[np.ndarray]) -> Agreement:
    """Compare two models with the same labels.

    Args:
        reference: The float32 .tflite.
        converted: The int8 .tflite.
        pictures: Each (224, 224, 3) uint8.
    """
    models = [LoadedModel(content, name, "auto", 1) for content, name in ((reference, "float32"), (converted, "int8"))]
    same = []
    for picture in pictures:
        scores = []
        for model in models:
            model.write(picture[None])
            model.invoke()
            scores.append(model.read()[0])
        best, ranking = int(scores[0].argmax()), np.argsort(-scores[1].astype(int), kind="stable")
        same.append((best == ranking[0], best in ranking[:2]))
    first, first_two = np.mean(same, axis=0)
    return Agreement(len(same), float(first), float(first_two))


def measure_garments(labeler: Labeler) -> tuple[float, float]:
    """Return precision and recall of the names of garments on clothing val, at the bundle's threshold."""
    right = reported = total = 0
    threshold = labeler.bundle.confidence_threshold or 0.5
    for photograph in read_photographs("clothing", "val"):
        if photograph.label not in GARMENTS:
            continue
        scores = labeler.score(photograph.pixels)
        scores[labeler.labels.index(str(labeler.bundle.background_label))] = 0
        total += 1
        if scores.max() >= threshold:
            reported += 1
            right += labeler.labels[int(scores.argmax())] == GARMENTS[photograph.label]
    return right / max(reported, 1), right / max(total, 1)


def measure_as_base(base: Path, name: str) -> float:
    """Return the accuracy on a set's val part of a model that is trained with a base."""
    with tempfile.TemporaryDirectory() as folder:
        request = TrainingRequest(
            dataset=str(DATA / name / f"{name}_train.zip"),
            bases=[base],
            out=Path(folder) / "model",
            validation=str(DATA / name / f"{name}_val.zip"),
        )
        return train_bundle(request, lambda *_: None).chosen.accuracy


def _read_check_pictures() -> Iterator[np.ndarray]:
    """Yield the pictures of images/ and of the val parts, none of which determined the ranges."""
    for file in sorted((DATA / "images").iterdir()):
        if file.suffix != ".txt":
            yield shrink(read_picture(file))
    for name in SETS:
        for photograph in read_photographs(name, "val"):
            yield shrink(photograph.pixels)


def _describe_counts(counts: list[int]) -> str:
    return f"{len(counts)} scenes: {np.mean(counts):.2f} on average, at most {max(counts)} (2)"
