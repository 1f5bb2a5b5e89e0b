"""The values that labeling hands on: a label with its score, and the model that gave it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """One label of one picture. `score` is 0–1; `index` is its place in the model's output."""

    label: str
    score: float
    index: int


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model it was.

    Attributes:
        name: The bundle's name.
        version: Its version as written, or `sha256:` and 12 hex digits where it has none.
        sha256: Of the .tflite file, in hex.
        variant: The branch of a rollout this device is on, where there is one.
        experiment: The A/B experiment it belongs to, where there is one.
    """

    name: str
    version: str
    sha256: str
    variant: str | None = None
    experiment: str | None = None
