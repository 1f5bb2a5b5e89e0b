"""Events that started and have not ended, which the next start of the program ends if this one dies."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appliance.messaging.outbox.stored_rows import UnreadableRowError, parse_open_row
from appliance.messaging.outbox.unwritten import UnwrittenChanges
from appliance.system.json_text import parse_json


class OpenEvents:
    """The start payloads of open events. Not thread-safe: outbox.py holds the lock."""

    def __init__(self, unwritten: UnwrittenChanges):
        """Start without an open event.

        Args:
            unwritten: Receives every change.
        """
        self._unwritten = unwritten
        self.payloads: dict[str, str] = {}

    def note(self, payload: Mapping[str, Any], text: str) -> None:
        """Open or close an event, if its payload is that of a start or an end.

        Args:
            payload: The payload.
            text: The same as JSON.
        """
        kind, id = payload.get("type"), payload.get("id")
        if kind == "started" and id is not None:
            self.payloads[id] = text
            self._unwritten.note_start(id, text)
        elif kind == "ended" and id is not None:
            self.payloads.pop(id, None)
            self._unwritten.note_end(id)

    def add_stored(self, rows: Iterable[tuple[Any, Any]]) -> list[str]:
        """Add the open events of the file; return why rows cannot be used, for those found now."""
        reasons = []
        for row in rows:
            try:
                id, payload = parse_open_row(row)
            except UnreadableRowError as error:
                if self._set_aside(row[0], str(error)):
                    reasons.append(str(error))
                continue
            if id not in self._unwritten.ended:
                self.payloads.setdefault(id, payload)
        return reasons

    def read(self, check: Callable[[Mapping[str, Any]], object]) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the payloads in the order of their ids, and why others cannot be used.

        Args:
            check: Raises an exception of any type if a payload cannot be used.
        """
        usable, reasons = [], []
        for id in sorted(self.payloads):
            payload = parse_json(self.payloads[id])
            try:
                check(payload)
            except Exception as error:  # noqa: BLE001 - content from the disk can be wrong in any way
                reason = f"its payload is not that of a start: {type(error).__name__}: {error}"
                del self.payloads[id]
                self._unwritten.opened.pop(id, None)
                self._set_aside(id.encode(), reason)
                reasons.append(reason)
            else:
                usable.append(payload)
        return usable, reasons

    def _set_aside(self, id: object, why: str) -> bool:
        """Have a row moved with the next transaction; return False if that was noted before."""
        key = id if isinstance(id, bytes) else str(id).encode()
        is_new = key not in self._unwritten.set_aside_open
        self._unwritten.set_aside_open[key] = why
        return is_new
