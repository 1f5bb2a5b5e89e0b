"""The labels of the general labeler: everyday names, each with the ImageNet classes below it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.errors import BaseModelError

BACKGROUND = "None_of_the_above"
CLASSES = 1000
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """How classes become labels.

    Attributes:
        labels: The everyday names in alphabetical order, then BACKGROUND.
        order: The ImageNet classes, (1000,), such that those of a label are together and in the order of the labels.
        groups: The index of the label of each class in `order`, (1000,) int32.
        classes: The names of the classes in `order`.
    """

    labels: tuple[str, ...]
    order: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]


def read_plan() -> LabelPlan:
    """Read names.toml and classes.txt."""
    names = tomllib.loads((_FOLDER / "names.toml").read_text(encoding="utf-8"))
    return make_plan(names, (_FOLDER / "classes.txt").read_text(encoding="utf-8").splitlines())


def make_plan(names: Mapping[str, str], classes: list[str]) -> LabelPlan:
    """Assign each class to a label.

    Args:
        names: The classes below each name, as numbers and spans from 0: "281-285, 290".
        classes: The names of the 1,000 classes.

    Raises:
        BaseModelError: A class does not exist, or is below two names.
    """
    labels = (*sorted(names), BACKGROUND)
    label_of = np.full(len(classes), len(labels) - 1, np.int32)
    for index, name in enumerate(labels[:-1]):
        for number in _parse_spans(names[name]):
            if number >= len(classes):
                raise BaseModelError(f"{name}: there is no class {number}; the last is {len(classes) - 1}")
            if label_of[number] != len(labels) - 1:
                raise BaseModelError(f"{name}: class {number} is below {labels[label_of[number]]} too; name it once")
            label_of[number] = index
    order = np.argsort(label_of, kind="stable")
    return LabelPlan(labels, order, label_of[order], tuple(classes[number] for number in order))


def _parse_spans(text: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
