"""Exit with status 0 if the running daemon labels frames; the installer runs this before and after an upgrade.

This script implements the control socket protocol itself (one JSON object per line) and needs only the system's Python,
so that it works with the daemon of any release.
"""

import json
import socket
import sys

SOCKET = "/run/appliance/control.sock"


def main() -> int:
    """Query the daemon once and return the exit status."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(SOCKET)
            connection.sendall(b'{"command": "status"}\n')
            with connection.makefile("rb") as lines:
                status = json.loads(lines.readline())["answer"]
        labels = status["frames"] > 0 and not status["labeling_trouble"] and status["camera"]["state"] == "streaming"
        return 0 if labels else 1
    except (OSError, ValueError, KeyError, TypeError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
