"""Score all pictures for the evaluation with one labeler."""

import numpy as np

from appliance.errors import BundleError
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.workshop.models.evidence_gate import compute_precision
from appliance.workshop.models.paths import DATA, LABELS, OTHER_SETS
from appliance.workshop.models.photographs import read_photographs

# The pictures of images/ that show a flower.
WITH_FLOWERS = (
    "mlkit_daisy.jpeg",
    "mlkit_dandelion.jpg",
    "mlkit_roses.jpeg",
    "mlkit_sunflower.jpg",
    "mlkit_tulips.jpeg",
    "sunflower.bmp",
)


class EvaluationScores:
    """The scores that one labeler gives to all pictures.

    The labels of other models, such as AutoML's export, which has no background label, are reordered like LABELS.

    Attributes:
        labeler: The labeler.
        truth: (n,) the label of each picture of flowers val, as an index of LABELS.
        flowers: (n, 5) scores of flowers val.
        others: Set without flowers → (m, 5) scores of its val part.
        images: File name → (5,) scores of a picture in images/.
    """

    def __init__(self, labeler: Labeler) -> None:
        """Score all pictures."""
        self.labeler = labeler
        self._columns = [labeler.labels.index(label) for label in LABELS]
        flowers = [
            (LABELS.index(photograph.label), self._score(photograph.pixels))
            for photograph in read_photographs("flowers", "val")
        ]
        self.truth = np.array([label for label, _ in flowers])
        self.flowers = np.stack([scores for _, scores in flowers])
        self.others = {
            name: np.stack([self._score(photograph.pixels) for photograph in read_photographs(name, "val")])
            for name in OTHER_SETS
        }
        self.images = {file.name: self._score(read_picture(file)) for file in sorted((DATA / "images").iterdir())}

    def _score(self, pixels: np.ndarray) -> np.ndarray:
        return self.labeler.score(pixels)[self._columns]

    @property
    def threshold(self) -> float:
        """The threshold in the labeler's bundle.

        Raises:
            BundleError: The bundle has none.
        """
        threshold = self.labeler.bundle.confidence_threshold
        if threshold is None:
            raise BundleError(f"{self.labeler.identity.name} has no confidenceThreshold; export it again")
        return threshold

    def measure_top_1(self) -> float:
        """Measure the share of flowers val whose label has the highest of the five scores."""
        return float((self.flowers.argmax(axis=1) == self.truth).mean())

    def measure_recall(self, threshold: float) -> float:
        """Measure the share of flowers val whose label has a score at or above the threshold."""
        return float((self.flowers[np.arange(len(self.truth)), self.truth] >= threshold).mean())

    def measure_precision(self, threshold: float) -> float:
        """Measure the share of right labels among all labels given to flowers val."""
        return compute_precision(self.flowers, self.truth, threshold)

    def measure_labeled(self, name: str, threshold: float) -> float:
        """Measure the share of a set without flowers that gets a label."""
        return float((self.others[name] >= threshold).any(axis=1).mean())

    def list_labeled_images(self, threshold: float) -> list[str]:
        """List the pictures without flowers in images/ that get a label, with the label and score."""
        return [
            f"{name} ({LABELS[int(scores.argmax())]} {scores.max():.2f})"
            for name, scores in self.images.items()
            if name not in WITH_FLOWERS and scores.max() >= threshold
        ]
