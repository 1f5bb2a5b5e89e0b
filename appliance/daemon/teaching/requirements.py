"""What a training on this device needs: the libraries, enough pictures, and memory that nothing else uses."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from appliance.system.memory import MEMINFO, read_available_mb
from appliance.teaching.holdout import TrainingPlan
from appliance.teaching.names import BACKGROUND, MIN_PICTURES

INSTALL_COMMAND = "sudo scripts/install.sh --with workshop"
# A training on 120 pictures takes 245 MB, on one processor; 130 MB of these are the libraries.
NEEDED_MB = 300
_LIBRARIES_MB = 130
# What stays for the rest of the system, of the memory that is available.
_SPARE_MB = 60
_LIBRARIES = ("sklearn", "joblib", "anyascii")
_MIN_LABELS = 2


@dataclass(frozen=True, slots=True)
class TrainingObstacle:
    """Why no model can be trained here now.

    Attributes:
        status: The HTTP status of the answer to a request for it.
        reason: One sentence.
        command: The one command that changes it; None without one.
    """

    status: int
    reason: str
    command: str | None = None


def is_workshop_installed() -> bool:
    """Return whether the libraries for training are installed."""
    return all(find_spec(name) is not None for name in _LIBRARIES)


def find_training_obstacle(
    plan: TrainingPlan, has_workshop: bool | None = None, meminfo: Path = MEMINFO
) -> TrainingObstacle | None:
    """Return why no model can be trained here now; None if one can be.

    Args:
        plan: The pictures.
        has_workshop: Whether the libraries for training are installed; None finds out.
        meminfo: The kernel's /proc/meminfo, proc(5).
    """
    available_mb = read_available_mb(meminfo)
    if available_mb is not None and available_mb < NEEDED_MB:
        return TrainingObstacle(
            503,
            f"training needs {NEEDED_MB} MB of free memory, and this device has {available_mb:.0f} MB; download the "
            "dataset, train on a computer, and upload the model",
        )
    if not (is_workshop_installed() if has_workshop is None else has_workshop):
        return TrainingObstacle(
            503,
            "the workshop is not installed on this device; run the command in the folder from which the program was "
            "installed, or download the dataset and train on a computer",
            INSTALL_COMMAND,
        )
    if len(plan.labels) + (BACKGROUND in plan.train) < _MIN_LABELS or not plan.labels:
        few = ", ".join(f"{label} has {count}" for label, count in plan.left_out.items() if label != BACKGROUND)
        return TrainingObstacle(
            409,
            f"a model needs two labels, or one and pictures of none of the labels, with at least {MIN_PICTURES} "
            f"pictures each; {few or 'record pictures of each thing'}",
        )
    return None


def compute_memory_limit_mb(available_mb: float | None) -> int | None:
    """Return how much memory a training may take beside its libraries; None for no limit.

    Args:
        available_mb: See `read_available_mb`.
    """
    return None if available_mb is None else max(50, int(available_mb) - _SPARE_MB - _LIBRARIES_MB)


def choose_processors() -> set[int]:
    """Return the processors for a training: half of them, so that labeling and the camera keep the others."""
    own = sorted(os.sched_getaffinity(0))
    return set(own[-max(1, len(own) // 2) :])
