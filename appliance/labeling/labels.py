"""A label with its score."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """One label of one picture; `score` is 0–1, `index` is its index in the model's output."""

    label: str
    score: float
    index: int
