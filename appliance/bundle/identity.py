"""The values that labeling hands on: a label with its score, and the model that gave it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass


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

    def as_dict(self) -> dict[str, str]:
        """Return the name, version and SHA-256 as every JSON output and payload reports them."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


def describe_unknown_label(name: str, labels: Sequence[str]) -> str:
    """What to say of a name that is no label: which ones are near it, else which ones there are."""
    by_lower = {label.lower(): label for label in labels}
    near = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)]
    if near:
        return f"the model has no label {name!r}; near it are {', '.join(map(repr, near))}"
    some = ", ".join(map(repr, labels[:8])) + (", …" if len(labels) > 8 else "")
    return f"the model has no label {name!r}; its {len(labels)} labels are {some}"
