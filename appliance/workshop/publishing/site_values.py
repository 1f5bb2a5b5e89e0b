"""Values that describe the contents of a site."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class SiteTarget:
    """A target of the site: its path, size, and hash, and the operator's values (name, version)."""

    path: str
    size_bytes: int
    sha256: str
    custom: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RoleState:
    """The metadata of one role.

    Attributes:
        role: root, targets, snapshot, or timestamp.
        version: The version of its metadata.
        expires: When its metadata expires.
        keys: The ids of its keys.
        have_keys: Whether the private keys are available; None if no key folder was given.
    """

    role: str
    version: int
    expires: datetime
    keys: tuple[str, ...]
    have_keys: bool | None
