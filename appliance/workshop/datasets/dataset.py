"""The parts of a dataset: labeled pictures, unlabeled pictures, and the problems of everything else.

A dataset contains the names of its pictures and reads a picture only when it is needed, so a dataset of any size opens
at almost no cost. The limits are those of AutoML Vision Edge, whose datasets this project accepts unchanged
(firebase.google.com/docs/ml/train-image-labeler): 30 MB per picture, label names of at most 32 characters from A–Z,
a–z, 0–9, and _, and at least 10 pictures per label, preferably 100.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import PictureError
from appliance.workshop.datasets.containers import FileContainer
from appliance.workshop.datasets.problems import Problem, ProblemKind
from appliance.workshop.datasets.split_names import Split

MAX_PICTURE_BYTES = 30_000_000
MIN_PICTURES = 10
RECOMMENDED_PICTURES = 100


@dataclass(frozen=True, slots=True)
class DevicePrediction:
    """What the device's model predicted for a frame that it collected.

    Attributes:
        label: Its best label.
        score: The score of that label, 0–1.
        model: The model's name and version.
        reason: Why the device kept the frame.
    """

    label: str
    score: float
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Example:
    """One picture.

    Attributes:
        name: The path, zip entry, or URL, for people.
        label: The label, or the first of several; None for an unlabeled picture.
        split: The split that the dataset assigns; None if it assigns none.
        container: Contains the picture's bytes, under `key`.
        prediction: The device's prediction, for a collected frame.
        sidecar: The key of the file that contains the prediction.
        others: The other labels of a picture with several.
    """

    name: str
    label: str | None
    split: Split | None
    container: FileContainer = field(repr=False)
    key: str = field(repr=False)
    prediction: DevicePrediction | None = None
    sidecar: str | None = field(default=None, repr=False)
    others: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of the picture, sorted; empty for an unlabeled picture."""
        return () if self.label is None else tuple(sorted((self.label, *self.others)))

    def read_bytes(self) -> bytes:
        """Return the file's content, at most MAX_PICTURE_BYTES.

        Raises:
            PictureError: The file is missing, damaged or too large.
        """
        content = self.container.read(self.key, MAX_PICTURE_BYTES + 1)
        if len(content) > MAX_PICTURE_BYTES:
            raise PictureError(
                f"{self.name} is larger than {MAX_PICTURE_BYTES // 1_000_000} MB, the limit for a picture"
            )
        return content


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures for training or evaluation.

    Attributes:
        source: The folder, zip, or CSV index.
        labels: Every label, sorted, including labels whose pictures are all unusable.
        examples: The labeled pictures, in a fixed order.
        unlabeled: The other pictures, which are reported but never used for training.
        problems: The files, labels, and rows that are not used.
    """

    source: Path
    labels: tuple[str, ...]
    examples: Sequence[Example]
    unlabeled: Sequence[Example] = ()
    problems: Sequence[Problem] = ()

    @property
    def misreading(self) -> Problem | None:
        """Why the files cannot be understood, in which case the dataset must not be used; None if they can."""
        return next((problem for problem in self.problems if problem.kind == ProblemKind.MISREAD), None)

    @property
    def for_training(self) -> list[Example]:
        """The labeled pictures in the split for training, or in none."""
        return [example for example in self.examples if example.split in (None, "train")]

    @property
    def is_multi_label(self) -> bool:
        """Whether a picture has several labels, so that a model must report each label independently."""
        return any(example.others for example in self.examples)
