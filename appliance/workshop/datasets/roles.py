"""Decide what training does with each label of a dataset: learn it, use it as background, or leave it out.

A label named `background` has the pictures that show none of the labels, as the device names them. A label with fewer
than MIN_PICTURES pictures is left out if enough others remain, and is named; otherwise it is an obstacle. So is a label
that lost pictures because they cannot be read: to leave it out would hide that.
"""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.teaching.names import BACKGROUND
from appliance.workshop.datasets.dataset import MIN_PICTURES, Dataset, Example
from appliance.workshop.datasets.duplicates import PictureScan


@dataclass(frozen=True, slots=True)
class LabelRoles:
    """What training does with the labels of a dataset.

    Attributes:
        dataset: The dataset with the labels to learn and their pictures.
        scans: The scans of these pictures; None if the pictures were not read.
        background: The background pictures of the dataset.
        left_out: Label → number of readable pictures, for labels that are left out.
        least_labels: The number of labels that a model needs beside the background.
    """

    dataset: Dataset
    scans: Sequence[PictureScan] | None
    background: tuple[Example, ...]
    left_out: dict[str, int]
    least_labels: int


def assign_roles(
    dataset: Dataset, scans: Sequence[PictureScan] | None = None, has_background: bool = False
) -> LabelRoles:
    """Decide the role of each label. In a dataset with several labels on a picture, every label is learned.

    Args:
        dataset: The opened dataset.
        scans: The result of scan_pictures(dataset.examples); None if the pictures were not read.
        has_background: Whether background pictures are given beside the dataset.
    """
    if dataset.is_multi_label:
        return LabelRoles(dataset, scans, (), {}, 2)
    counts = Counter(
        example.label
        for index, example in enumerate(dataset.examples)
        if scans is None or scans[index].thumbnail is not None
    )
    others = [label for label in dataset.labels if label != BACKGROUND]
    is_separate = bool(others) and len(others) < len(dataset.labels) and not has_background
    background = tuple(example for example in dataset.examples if example.label == BACKGROUND) if is_separate else ()
    least = 1 if has_background or len(background) >= MIN_PICTURES else 2
    labels = others if is_separate else list(dataset.labels)
    totals = Counter(example.label for example in dataset.examples)
    small = {label: counts[label] for label in labels if 0 < counts[label] == totals[label] < MIN_PICTURES}
    if len(labels) - len(small) < least:
        small = {}
    if 0 < len(background) < MIN_PICTURES:
        small[BACKGROUND], background = len(background), ()
    kept = [index for index, example in enumerate(dataset.examples) if example.label in labels]
    kept = [index for index in kept if dataset.examples[index].label not in small]
    return LabelRoles(
        dataclasses.replace(
            dataset,
            labels=tuple(label for label in labels if label not in small),
            examples=tuple(dataset.examples[index] for index in kept),
        ),
        None if scans is None else [scans[index] for index in kept],
        background,
        small,
        least,
    )


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Return a sentence about labels that are left out."""
    listed = ", ".join(f"{label} ({count})" for label, count in left_out.items())
    return f"left out, because a label needs at least {MIN_PICTURES} pictures: {listed}"
