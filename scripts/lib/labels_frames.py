"""Exit status 0 where the running daemon labels frames: the installer asks before and after an upgrade.

It speaks the control socket's protocol by itself (one JSON object a line), with the system's Python and nothing else,
so that the daemon of any release can be asked.
"""

import json
import socket
import sys

SOCKET = "/run/appliance/control.sock"


def main() -> int:
    """Asks once."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(SOCKET)
            connection.sendall(b'{"command": "status"}\n')
            with connection.makefile("rb") as lines:
                status = json.loads(lines.readline())["answer"]
        return (
            0
            if status["frames"] > 0 and not status["labeling_trouble"] and status["camera"]["state"] == "streaming"
            else 1
        )
    except (OSError, ValueError, KeyError, TypeError):
        return 1


if __name__ == "__main__":
    sys.exit(main())
