"""State what fine-tuning has reached."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TuningFigures:
    """The result of fine-tuning by itself, without the head of the published features.

    Attributes:
        passes: How often each training picture was used.
        float_accuracy: The share of the validation pictures that the float32 network labels right.
        int8_accuracy: The same when its layers are stored as int8.
    """

    passes: int
    float_accuracy: float
    int8_accuracy: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "passes": self.passes,
            "float_accuracy": round(self.float_accuracy, 6),
            "int8_accuracy": round(self.int8_accuracy, 6),
        }

    def describe(self) -> str:
        """Return a sentence for the user."""
        times = "once" if self.passes == 1 else f"{self.passes} times"
        return (
            f"the last blocks were trained on each picture {times}; by themselves, they label "
            f"{self.float_accuracy * 100:.1f} % of the validation pictures right in float32, and "
            f"{self.int8_accuracy * 100:.1f} % in int8"
        )
