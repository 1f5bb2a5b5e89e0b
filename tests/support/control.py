"""A daemon on the control socket that answers what it was asked."""

import socket
from pathlib import Path
from typing import Any

from appliance.errors import StoreError


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
