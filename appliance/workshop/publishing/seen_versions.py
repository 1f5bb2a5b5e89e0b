"""Remember the highest versions that were seen of a site, so that a step back, or a second history, is noticed.

A device never accepts metadata that is older than what it knows, and ignores other contents under the same version.
The memory is a file in the folder of the keys, because a site that is restored from an old copy brings its own old
memory with it; without the keys, it is in the site's own file (site_record.py).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from appliance.workshop.publishing.keys import ROLES, ROOT

_ALL_ROLES = (ROOT, *ROLES)
_MAX_VERSION = 10**9


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """A version of a role's metadata, and the SHA-256 of its file."""

    version: int
    sha256: str

    @classmethod
    def of(cls, version: int, content: bytes) -> Self:
        """Return the version of a file."""
        return cls(version, hashlib.sha256(content).hexdigest())


SeenVersions = Mapping[str, SeenVersion]
"""What was seen of one place: roles, and their highest versions."""


def find_step_back(seen: SeenVersions, found: SeenVersions) -> str | None:
    """Return the first step back from what was seen before, as text for people; None if there is none."""
    for role in _ALL_ROLES:
        before, now = seen.get(role), found.get(role)
        if before is None or now is None or before == now:
            continue
        if now.version < before.version:
            return f"the {role} metadata is version {now.version}, and version {before.version} was there before"
        if now.version == before.version:
            return f"version {now.version} of the {role} metadata was there before with other contents"
    return None


def merge_seen(seen: SeenVersions, found: SeenVersions) -> dict[str, SeenVersion]:
    """Return the higher version of each role; under the same version, what was seen first stays."""
    merged = dict(seen)
    for role, now in found.items():
        if role not in merged or merged[role].version < now.version:
            merged[role] = now
    return merged


def parse_seen(values: Any) -> dict[str, SeenVersion]:
    """Parse what `encode_seen` made; anything else is left out."""
    parsed = {}
    for role in _ALL_ROLES:
        match values.get(role) if isinstance(values, dict) else None:
            case {"version": int(version), "sha256": str(sha256)} if 0 < version < _MAX_VERSION:
                parsed[role] = SeenVersion(version, sha256)
    return parsed


def encode_seen(seen: SeenVersions) -> dict[str, Any]:
    """Return a JSON object."""
    return {role: {"version": entry.version, "sha256": entry.sha256} for role, entry in seen.items()}
