"""The requests and answers on the control socket; wire.py writes each as one line of JSON.

A request is `{"command": …}`. An answer is `{"ok": true, "answer": {…}}` or `{"ok": false, "error": "one sentence"}`.
scripts/lib/labels_frames.py implements this protocol without the package, and a test compares the two.
"""

from enum import StrEnum

COMMAND_KEY = "command"
OK_KEY = "ok"
ANSWER_KEY = "answer"
ERROR_KEY = "error"


class ControlCommand(StrEnum):
    """The requests that a command on this machine can send to the daemon."""

    STATUS = "status"
    MODELS_CHANGED = "models-changed"
    MODEL_ROLLBACK = "model-rollback"
    UPDATE_STATUS = "update-status"
    MODEL_CHECK = "model-check"
    OBSERVE = "observe"
    FRAME = "frame"


def make_request(command: ControlCommand) -> dict[str, str]:
    """Return the request that asks for `command`."""
    return {COMMAND_KEY: command.value}
