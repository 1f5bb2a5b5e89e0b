"""Keep the state of a fine-tuning on disk, so that a killed run continues."""

import hashlib
import io
import pickle
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from appliance.system.atomic_files import write_atomically

_MAX_AGE_S = 7 * 86_400
_SUFFIX = ".checkpoint"


class TuningCheckpoint:
    """The file of one fine-tuning; others that are older than a week are removed."""

    def __init__(self, folder: Path | None, determinants: Iterable[bytes]) -> None:
        """Refer to the file.

        Args:
            folder: Contains the checkpoints; None to keep none.
            determinants: Everything that determines the result; a run with others has another file.
        """
        digest = hashlib.sha256()
        for part in determinants:
            digest.update(len(part).to_bytes(8, "big") + part)
        self._file = None if folder is None else folder / f"{digest.hexdigest()[:32]}{_SUFFIX}"

    def load(self) -> dict[str, Any] | None:
        """Return the saved state; None if there is none, or if it is damaged."""
        if self._file is None:
            return None
        self._sweep(self._file.parent)
        try:
            state = torch.load(io.BytesIO(self._file.read_bytes()), weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError):
            return None
        return state if isinstance(state, dict) else None

    def save(self, state: dict[str, Any]) -> bool:
        """Save the state; return whether that was possible. Without it, a killed run begins again."""
        if self._file is None:
            return False
        content = io.BytesIO()
        torch.save(state, content)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, content.getvalue())
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove the file after the run has ended."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        oldest_s = time.time() - _MAX_AGE_S
        for file in folder.glob(f"*{_SUFFIX}"):
            try:
                if file.stat().st_mtime < oldest_s:
                    file.unlink()
            except OSError:
                continue  # another run has removed it
