"""Check the payload of an event that was open when an earlier process died, before it is ended.

The payload was read from the disk, where any part of it may have been damaged.
"""

from collections.abc import Mapping
from typing import Any

from appliance.messaging.payloads import EventPayload, encode

_TEXTS = ("id", "type", "label", "device", "boot")
_NUMBERS = ("score", "peak_score", "seq")


def check_open_event(payload: Mapping[str, Any]) -> None:
    """Check that an event can be ended: its end can be built and encoded.

    Raises:
        Exception: It cannot, for example because a value is missing or has the wrong type.
    """
    for key in _TEXTS:
        if not isinstance(payload[key], str):
            raise TypeError(f"{key} is not a text")
    for key in _NUMBERS:
        if isinstance(payload[key], bool) or not isinstance(payload[key], int | float):
            raise TypeError(f"{key} is not a number")
    encode(EventPayload.from_dict(payload).end_at_restart(None, None, "", 1).as_dict())
