"""Identify a model by its name, version and hash; describe labels that a model does not have."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The identity of a model.

    Attributes:
        name: The bundle's name.
        version: The version as written, or `sha256:` and 12 hex digits if there is none.
        sha256: SHA-256 of the .tflite file, in hex.
        variant: The arm of a comparison of models that this device belongs to, if any.
        experiment: The A/B experiment that the model belongs to, if any.
    """

    name: str
    version: str
    sha256: str
    variant: str | None = None
    experiment: str | None = None

    def as_dict(self) -> dict[str, str]:
        """Return the name, version and SHA-256 under the keys of every JSON output and payload."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def describe_unknown_label(name: str, labels: Sequence[str]) -> str:
    """Describe a name that is not a label of the model, and list similar labels, or else the first ones."""
    by_lower = {label.lower(): label for label in labels}
    near = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    if near:
        return f"the model has no label {name!r}; similar labels are {', '.join(map(repr, near))}"
    some = ", ".join(map(repr, labels[:8])) + (", …" if len(labels) > 8 else "")
    return f"the model has no label {name!r}; its {len(labels)} labels are {some}"
