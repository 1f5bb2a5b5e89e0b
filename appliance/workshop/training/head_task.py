"""What a head is fitted to: the pictures with their labels, and the rows of the background bank."""

from dataclasses import dataclass

import numpy as np

from appliance.workshop.training.rows import Rows


@dataclass(frozen=True, slots=True)
class BankRows:
    """The rows of the background bank as inputs of the head.

    Attributes:
        x: (rows, size).
        sources: (rows,) int.
        kinds: (rows,) int.
    """

    x: np.ndarray
    sources: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True, slots=True)
class HeadTask:
    """What a head is fitted to.

    Attributes:
        labels: The names of the labels, including the background's.
        background: The index of the label of the user's background pictures; None if there are none.
        rows: (pictures, size) the inputs of the head, in an order in which the first ones are a fair sample.
        targets: (pictures,) the index of each picture's label.
        groups: (pictures,) int, the recording of each picture.
        validates: (pictures,) bool: the picture is for validation, not for fitting.
        bank: The rows of the background bank; None if the base has none.
        separates_bank: Whether the rows of the bank are a class of their own even if there is a label of background.
    """

    labels: tuple[str, ...]
    background: int | None
    rows: Rows
    targets: np.ndarray
    groups: np.ndarray
    validates: np.ndarray
    bank: BankRows | None = None
    separates_bank: bool = False
