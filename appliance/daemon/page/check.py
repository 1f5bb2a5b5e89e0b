"""The lines of `appliance check` for the page."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from appliance.errors import ControlError
from appliance.system.foreign_text import clean_text

_MAX_TEXT = 1000


def check_by_command(run: Callable[..., str]) -> list[dict[str, Any]]:
    """Run `appliance check --json` as another process, which sees the device as a person at a terminal does.

    Args:
        run: Runs a command of this program with arguments; returns its standard output.

    Returns:
        One entry per part: {"part", "ok", "says"}.

    Raises:
        ControlError: The check did not finish.
    """
    try:
        entries = json.loads(run("check", "--json"))
    except subprocess.TimeoutExpired as error:
        raise ControlError("the check did not finish within 90 s; see the log of the service") from error
    except (OSError, ValueError) as error:
        raise ControlError("the check could not be run; run on the device: appliance check") from error
    if isinstance(entries, dict):
        reason = clean_text(str(entries.get("error", "it failed")), _MAX_TEXT)
        raise ControlError(f"the check could not be run: {reason}")
    return [
        {
            "part": clean_text(str(entry["part"]), 100),
            "ok": bool(entry["ok"]),
            "says": clean_text(str(entry["says"]), _MAX_TEXT),
        }
        for entry in entries
    ]


def check_by_status(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines that the running parts report themselves, for a daemon without a settings file (the demo)."""
    troubles = {problem["part"]: problem["message"] for problem in status["problems"]}
    model, camera = status["model"], status["camera"]
    good = {
        "camera": f"{camera['description']}, {camera['state']}",
        "labeling": f"{model['name']} {model['version']} labels the frames",
        "broker": "connected",
        "disk": "the state folder can be written",
    }
    return [
        {"part": part, "ok": part not in troubles, "says": troubles.get(part, message)}
        for part, message in good.items()
    ]
