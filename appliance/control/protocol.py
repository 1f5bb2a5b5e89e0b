"""The requests and answers on the control socket; wire.py writes each as one line of JSON.

A request is `{"command": …}`, with `"argument"` if the command has one.
An answer is `{"ok": true, "answer": {…}}` or `{"ok": false, "error": "one sentence"}`.
scripts/lib/labels_frames.py implements this protocol without the package, and a test compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

COMMAND_KEY = "command"
ARGUMENT_KEY = "argument"
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
    WEB = "web"
    RECORD = "record"


def make_request(command: ControlCommand, argument: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the request that asks for `command`, with its argument if it has one."""
    return {COMMAND_KEY: command.value} | ({} if argument is None else {ARGUMENT_KEY: argument})
