"""What the update machine is about to do, on disk before it does it: one small file, replaced atomically.

A process may be killed, or the power cut, between any two instructions. The store is always whole; this file adds what
the store does not know: which offer is under way, at which step, and what is still to be reported. A verdict is written
here before it is carried out, so that after a restart it is carried out and reported, not found anew.

It also counts the tries at the steps that can end this process or this machine (a bad model in native code): a step that
two processes in a row did not survive is not tried a third time. An orderly stop and a power cut do not count.
"""

import dataclasses
import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from appliance.system.atomic_files import write_durably

log = logging.getLogger(__name__)

FILE_NAME = "update.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One step.

    Attributes:
        step: A state of T/update, or `warming` (beside the running model) and `swapping`.
        hash: The offer's.
        version, sha256: For the report; None where not known yet.
        reason: Of a verdict.
        asked: The owner asked for it: it goes on after a restart although install = "ask".
        tries: How often a dangerous step was begun.
        boot: The kernel's boot in which it was begun; empty after an orderly stop.
        old_p95_ms: How long the model before took for a frame: what the probation is held against.
    """

    step: str
    hash: str
    version: str | None = None
    sha256: str | None = None
    reason: str | None = None
    asked: bool = False
    tries: int = 0
    boot: str = ""
    old_p95_ms: float | None = None


class Journal:
    """The file. One thread writes; any may say that the program stops."""

    def __init__(self, folder: Path):
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self.entry: JournalEntry | None = self._read()

    def write(self, entry: JournalEntry | None) -> None:
        """What comes next; None: nothing is under way.

        Raises:
            OSError: The disk refuses; the step must not be taken.
        """
        with self._lock:
            if entry == self.entry:
                return
            content = {"format": FORMAT, "entry": None if entry is None else dataclasses.asdict(entry)}
            write_durably(self._path, json.dumps(content).encode() + b"\n")
            self.entry = entry

    def stop(self) -> None:
        """The program stops in good order: what is under way was survived."""
        if self.entry and self.entry.boot:
            try:
                self.write(dataclasses.replace(self.entry, boot="", tries=0))
            except OSError as error:
                log.warning("%s cannot be written: %s", self._path, error)

    def _read(self) -> JournalEntry | None:
        try:
            content = json.loads(self._path.read_bytes())
            if content["format"] != FORMAT or content["entry"] is None:
                return None
            known = {field.name for field in dataclasses.fields(JournalEntry)}
            entry = JournalEntry(**{key: value for key, value in content["entry"].items() if key in known})
            if not isinstance(entry.step, str) or not isinstance(entry.hash, str) or not isinstance(entry.tries, int):
                raise ValueError("values of a wrong type")
            return entry
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be used (%s); an update under way is begun again", self._path, error)
            return None
