"""A file that is being downloaded: `NAME.part`, and `NAME.part.json` with the file's state on the server.

The part is not synced, and after a power cut its end may be zeros, so a part from an earlier boot is discarded.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.system.device_id import boot_id
from appliance.system.json_text import parse_json
from appliance.system.regular_files import read_regular_file
from appliance.system.urls import redact
from appliance.transport.responses import Validators

_MAX_FACTS_BYTES = 64 * 1024


class PartFile:
    """The part of a file that has arrived, and the facts that decide whether it can be continued."""

    def __init__(self, target: Path):
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._facts_path = target.with_name(target.name + ".part.json")
        self._facts = self._read_facts()

    @property
    def size_bytes(self) -> int:
        """The bytes that have arrived."""
        with contextlib.suppress(OSError):
            return self.path.stat().st_size
        return 0

    @property
    def validators(self) -> Validators:
        """The state of the server's file that the part belongs to."""
        return Validators(self._facts.get("etag"), self._facts.get("last_modified"))

    def can_resume(self, url: str, immutable: bool, expected: Validators) -> bool:
        """Return whether the rest of the file may be requested.

        Args:
            url: The address of the file.
            immutable: Whether the address always serves the same bytes, so that no validators are needed.
            expected: The required state; empty accepts any.
        """
        return (
            self.size_bytes > 0
            and self._facts.get("url") == redact(url)
            and self._facts.get("boot") == boot_id()
            and (immutable or self.validators.for_range is not None)
            and (not expected or self.validators == expected)
        )

    def make_range_headers(self) -> dict[str, str]:
        """Return the request headers for the rest; because of If-Range, a changed file is sent as a whole."""
        headers = {"Range": f"bytes={self.size_bytes}-"}
        if validator := self.validators.for_range:
            headers["If-Range"] = validator
        return headers

    def begin(self, url: str, validators: Validators) -> None:
        """Start over with an empty part of the given state."""
        self.remove()
        # The query is left out: in a signed link it changes although the file does not, and it may contain a secret.
        self._facts = {
            "url": redact(url),
            "boot": boot_id(),
            "etag": validators.etag,
            "last_modified": validators.last_modified,
        }
        self._facts_path.write_text(json.dumps(self._facts), encoding="utf-8")
        self.path.touch()

    def remove(self) -> None:
        """Remove the part."""
        self.path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Sync the complete part and rename it to the file's name."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._facts_path.unlink(missing_ok=True)

    def _read_facts(self) -> Mapping[str, Any]:
        try:
            facts = parse_json(read_regular_file(self._facts_path, _MAX_FACTS_BYTES))
        except (OSError, ValueError):
            return {}
        is_sound = isinstance(facts, dict) and all(value is None or _is_header(value) for value in facts.values())
        return facts if is_sound else {}


def _is_header(value: object) -> bool:
    """Return whether a value can be sent in the header of a request."""
    return isinstance(value, str) and value.isascii() and value.isprintable()
