"""Find what a former device id left on the broker, for `appliance check`."""

from collections.abc import Mapping
from typing import Any

from appliance.errors import StatePathError
from appliance.messaging.former_topics import describe_leftovers
from appliance.messaging.identity import IdentityFile
from appliance.settings.schema import Settings
from appliance.system.paths import find_state_dir


def find_leftovers(report: Mapping[str, Any] | None, settings: Settings) -> str | None:
    """Return what the broker's administrator can do about former topics; None if nothing is left.

    Args:
        report: The report of a running daemon; None if none is running.
        settings: Valid settings.
    """
    if report is not None:
        leftovers = report.get("former_topics")
        return leftovers if isinstance(leftovers, str) else None
    try:
        former = IdentityFile(find_state_dir()).read_former()
    except StatePathError:
        return None
    return "; ".join(describe_leftovers(each, settings.mqtt) for each in former if each.refused) or None
