"""The update journal: a small file that records the updater's next action before it happens.

The process may be killed, or the power cut, between any two instructions. The store is always consistent; this file
adds what the store does not record: which offer is being installed, at which step, and what remains to be reported. An
outcome is written here before it is applied, so a restart applies and reports it instead of deciding again.

The journal also counts the attempts at steps that can end this process or the machine (a bad model in native code): a
step that two processes in a row did not survive is not tried a third time. Orderly stops and power cuts do not count.
"""

import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from appliance.errors import describe_os_error
from appliance.system.state_file import StateFile
from appliance.updates.steps import UpdateState

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("appliance.updates")

FILE_NAME = "update.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One step of one update.

    Attributes:
        step: The state of the update, including WARMING (preloading) and SWAPPING.
        hash: The hash of the offer.
        version: The model's version, for the report; None if not known yet.
        sha256: The SHA-256 of the model, for the report; None if not known yet.
        reason: The reason for an outcome.
        requested: Whether the owner asked for the update, so that it continues after a restart even if update.install
            is "ask".
        tries: How often the current dangerous step was begun.
        boot: The kernel boot in which the step was begun; empty after an orderly stop.
        old_p95_ms: The 95th percentile of the previous model's time per frame, the reference for the probation.
        withdrawn: Whether a rollback does not refuse the model, because the source no longer offers it.
    """

    step: UpdateState
    hash: str
    version: str | None = None
    sha256: str | None = None
    reason: str | None = None
    requested: bool = False
    tries: int = 0
    boot: str = ""
    old_p95_ms: float | None = None
    withdrawn: bool = False


class Journal:
    """The journal file. One thread writes; `stop` may be called from any thread."""

    def __init__(self, folder: Path):
        """Read the journal in the state folder; treat an unusable file as an empty journal."""
        self._file: StateFile[JournalEntry | None] = StateFile(
            folder / FILE_NAME,
            _decode,
            _encode,
            None,
            mode=0o640,
            if_unreadable="an update in progress starts over",
            log=log,
        )
        self._lock = threading.Lock()
        self.entry = self._file.read()

    def write(self, entry: JournalEntry | None) -> None:
        """Record the next step; None if no update is in progress.

        Raises:
            OSError: The file cannot be written; the step must not be taken.
        """
        with self._lock:
            if entry == self.entry:
                return
            self._file.write(entry)
            self.entry = entry

    def stop(self) -> None:
        """Record an orderly stop, so that the current step does not count as having ended the process."""
        if self.entry and self.entry.boot:
            try:
                self.write(replace(self.entry, boot="", tries=0))
            except OSError as error:
                log.warning("%s cannot be written: %s", self._file.path, describe_os_error(error))


# The file's format: the keys stay the same even if a field is renamed.
_KEYS = {
    "step": "step",
    "hash": "hash",
    "version": "version",
    "sha256": "sha256",
    "reason": "reason",
    "requested": "asked",
    "tries": "tries",
    "boot": "boot",
    "withdrawn": "withdrawn",
    "old_p95_ms": "old_p95_ms",
}


_OPTIONAL_TEXT = (str, NoneType)
_TYPES: "Mapping[str, type | tuple[type, ...]]" = {
    "hash": str,
    "version": _OPTIONAL_TEXT,
    "sha256": _OPTIONAL_TEXT,
    "reason": _OPTIONAL_TEXT,
    "requested": bool,
    "tries": int,
    "boot": str,
    "withdrawn": bool,
    "old_p95_ms": (int, float, NoneType),
}


def _encode(entry: JournalEntry | None) -> dict[str, Any]:
    if entry is None:
        return {"format": FORMAT, "entry": None}
    values = {key: getattr(entry, field) for field, key in _KEYS.items()}
    if not entry.withdrawn:
        del values[_KEYS["withdrawn"]]  # earlier releases do not know it
    return {"format": FORMAT, "entry": values}


def _decode(content: Any) -> JournalEntry | None:
    if content["format"] != FORMAT or content["entry"] is None:
        return None
    values: Mapping[str, Any] = content["entry"]
    fields = {field: values[key] for field, key in _KEYS.items() if key in values}
    for field, value in fields.items():
        if field != "step" and not _has_type(value, _TYPES[field]):
            raise TypeError(f"{_KEYS[field]} has the wrong type")
    return JournalEntry(**fields | {"step": UpdateState(values["step"])})


def _has_type(value: object, expected: "type | tuple[type, ...]") -> bool:
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
