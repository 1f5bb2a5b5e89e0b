"""The identity of one Firebase installation, and its encoding in the state folder."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

REFRESH_UNDER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Identity:
    """One installation in one project.

    Attributes:
        project_id: The project.
        app_id: The app in the project.
        fid: The installation id, 22 characters.
        refresh_token: Used to get new tokens.
        token: Sent with every request.
        made_s: When the token arrived, Unix time.
        lasts_s: The lifetime of the token in seconds.
    """

    project_id: str
    app_id: str
    fid: str
    refresh_token: str = field(repr=False)
    token: str = field(repr=False)
    made_s: float
    lasts_s: float

    def is_valid(self, now_s: float) -> bool:
        """Return whether the token is valid for another hour; False if the clock is before its arrival."""
        return self.made_s <= now_s and now_s + REFRESH_UNDER_S < self.made_s + self.lasts_s


def generate_fid(generate_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a new installation id: the first 22 base64 characters of 17 random bytes; the first byte is 0111xxxx."""
    value = bytearray(generate_bytes(17))
    value[0] = 0x70 | (value[0] & 0x0F)
    return base64.urlsafe_b64encode(bytes(value))[:22].decode()


def encode_identity(identity: Identity | None) -> dict[str, Any] | None:
    """Return the values for the file in the state folder."""
    if identity is None:
        return None
    return {
        "project_id": identity.project_id,
        "app_id": identity.app_id,
        "fid": identity.fid,
        "refresh_token": identity.refresh_token,
        "token": identity.token,
        "made_s": identity.made_s,
        "lasts_s": identity.lasts_s,
    }


def decode_identity(values: Any) -> Identity:
    """Return the identity from the values in the file.

    Raises:
        KeyError, TypeError: A value is missing or has the wrong type.
    """
    texts = [values[key] for key in ("project_id", "app_id", "fid", "refresh_token", "token")]
    numbers = [values[key] for key in ("made_s", "lasts_s")]
    if not all(isinstance(text, str) and text.isascii() and text.isprintable() and text for text in texts):
        raise TypeError("a string is missing or has the wrong type")
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise TypeError("a time has the wrong type")
    return Identity(*texts, *numbers)
