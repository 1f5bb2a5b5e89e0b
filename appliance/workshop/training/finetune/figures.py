"""State what fine-tuning has reached."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TuningFigures:
    """The result of fine-tuning, before its network is stored as int8 and gets a new head.

    Attributes:
        passes: How often each training picture was used.
        float_accuracy: The share of the validation pictures that the float32 network labels right.
    """

    passes: int
    float_accuracy: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {"passes": self.passes, "float_accuracy": round(self.float_accuracy, 6)}

    def describe(self) -> str:
        """Return a sentence for the user."""
        times = "once" if self.passes == 1 else f"{self.passes} times"
        return (
            f"the base was trained on each picture {times}; in float32, before it became int8, it labeled "
            f"{self.float_accuracy * 100:.1f} % of the validation pictures right"
        )
