"""The training job as it is kept in the state folder, so that its result survives a restart."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.teaching")

_MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The job, as it is kept.

    Attributes:
        state: none, running, done, failed or canceled.
        error: Why it failed.
        result: Its result, as in GET /api/training.
        left_out: Label → number of pictures, for labels that had too few.
        picture_s: The seconds for each picture of the last job that was done; 0 before.
    """

    state: str = "none"
    error: str | None = None
    result: Mapping[str, Any] | None = None
    left_out: Mapping[str, int] | None = None
    picture_s: float = 0.0


def make_state_file(folder: Path) -> StateFile[TrainingState]:
    """Return the file of the job in the folder for what can be undone and trained."""
    return StateFile(
        folder / "training.json", _decode, _encode, TrainingState(), mode=0o640,
        if_unreadable="the last training is forgotten", log=log,
    )  # fmt: skip


def _decode(value: Any) -> TrainingState:
    result = value["result"]
    return TrainingState(
        str(value["state"]),
        None if value["error"] is None else str(value["error"])[:_MAX_TEXT],
        dict(result) if result is not None else None,
        {str(label): int(count) for label, count in (value["left_out"] or {}).items()},
        float(value["picture_s"]),
    )


def _encode(state: TrainingState) -> Any:
    return {
        "state": state.state,
        "error": state.error,
        "result": state.result,
        "left_out": dict(state.left_out or {}),
        "picture_s": state.picture_s,
    }
