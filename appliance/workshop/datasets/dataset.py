"""What a dataset is made of: pictures with a label, pictures without one, and what was wrong with the rest.

A picture is known by name and read only when somebody asks, so a dataset of any size costs next to nothing to open.
The limits are those of AutoML Vision Edge, whose datasets this project takes as they are
(firebase.google.com/docs/ml/train-image-labeler): 30 MB a picture, label names of at most 32 of A–Z, a–z, 0–9 and _,
at least 10 pictures a label, better 100.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from appliance.errors import PictureError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

MAX_PICTURE_BYTES = 30_000_000
LEAST_PICTURES = 10
RECOMMENDED_PICTURES = 100

_LABEL = re.compile(r"[A-Za-z0-9_]{1,32}")


class FileContainer(Protocol):
    """Where pictures lie: a folder, a zip or the paths of a CSV index. Safe to use from several threads."""

    def read(self, key: str, limit_bytes: int) -> bytes:
        """A file's first bytes, at most `limit_bytes`.

        Raises:
            PictureError: It is not there, or cannot be read or unpacked.
        """

    def size_bytes(self, key: str) -> int:
        """The file's size, unpacked.

        Raises:
            PictureError: It is not there.
        """


@dataclass(frozen=True, slots=True)
class DevicePrediction:
    """What the device's model thought of a frame that it collected.

    Attributes:
        label: Its best label.
        score: The score of that, 0–1.
        model: The model's name and version.
        reason: Why the frame was kept.
    """

    label: str
    score: float
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Example:
    """One picture.

    Attributes:
        name: The path or the zip's entry or the URL, for people.
        label: None for an unlabeled picture.
        split: What it is for; None where nobody said.
        shelf: Where its bytes lie, under `key`.
        guess: The device's own, beside a collected frame.
        sidecar: The key of the file that says so.
    """

    name: str
    label: str | None
    split: Split | None
    shelf: FileContainer = field(repr=False)
    key: str = field(repr=False)
    guess: DevicePrediction | None = None
    sidecar: str | None = field(default=None, repr=False)

    def read_bytes(self) -> bytes:
        """The file's content, at most MAX_PICTURE_BYTES.

        Raises:
            PictureError: It is gone, damaged, or larger than it may be.
        """
        content = self.shelf.read(self.key, MAX_PICTURE_BYTES + 1)
        if len(content) > MAX_PICTURE_BYTES:
            raise PictureError(
                f"{self.name} is larger than the {MAX_PICTURE_BYTES // 1_000_000} MB that a picture may have."
            )
        return content


Fault = Literal["unreadable", "too_large", "wrong_format", "wrong_name", "refused", "wrong_row", "passed_over"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a dataset that is not taken, or not as it is.

    Attributes:
        fault: unreadable (missing, damaged, no picture), too_large, wrong_format (mislabeled, or a format that is not
            taken), wrong_name (of a label), refused (links, climbing paths, encrypted entries), wrong_row (of a CSV),
            passed_over (a file that is no picture and does not claim to be one; no error).
        name: The file, the label or the row.
        says: One sentence for people.
    """

    fault: Fault
    name: str
    says: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures to learn from.

    Attributes:
        source: What was opened.
        labels: Every label, sorted; those too of which no picture could be taken.
        examples: The labeled pictures, in a fixed order.
        unlabeled: The others: reported, never trained on.
        problems: What was not taken, each with a sentence.
    """

    source: Path
    labels: tuple[str, ...]
    examples: Sequence[Example]
    unlabeled: Sequence[Example] = ()
    problems: Sequence[Problem] = ()


def label_fault(label: str) -> str | None:
    """What is wrong with a label's name, in a sentence; None where it may be used."""
    if _LABEL.fullmatch(label):
        return None
    return f"the label {label!r} is not 1 to 32 of A–Z, a–z, 0–9 and _: rename it, for example to {_renamed(label)!r}."


def can_be_shown(name: str) -> bool:
    """Whether a name is of letters, signs and spaces: those of all kinds, such as Japanese and Mac screenshots have.

    Others break tables and terminals, and come from another coding or from somebody who wants just that.
    """
    return all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in name)


def _renamed(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", label).strip("_")[:32] or "label"
