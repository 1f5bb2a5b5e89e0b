"""A daemon on the control socket that answers what it was asked."""

import socket
from pathlib import Path
from typing import Any

from appliance.errors import StoreError

# An answer to the command `observe`, as `appliance watch` receives it.
OBSERVATION = {
    "device": "pi-1234abcd",
    "camera": {"state": "streaming", "reason": None, "description": "imx708, 1280×720"},
    "model": {"name": "flowers", "version": "1.0.0"},
    "runtime": "LiteRT 2.3.0",
    "labeling_trouble": None,
    "frame": {"number": 12, "time": "2026-05-04T10:20:30.123Z", "age_s": 0.2, "inference_ms": 11.5},
    "scores": [
        {"label": "roses", "score": 0.93, "threshold": 0.5, "open": True},
        {"label": "daisy", "score": 0.25, "threshold": 0.75, "open": False},
        {"label": "tulips", "score": 0.001, "threshold": 0.5, "open": False},
    ],
}


def echo(request: dict[str, Any]) -> dict[str, Any]:
    """Return the request, or fail if it asks for that."""
    if request.get("want") == "no":
        raise StoreError("the store is full; make room")
    if request.get("want") == "failure":
        raise ZeroDivisionError
    return {"asked": request}


def leave_stale_socket(path: Path) -> None:
    """Leave a socket as a killed daemon does: the file stays, and nothing listens on it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
