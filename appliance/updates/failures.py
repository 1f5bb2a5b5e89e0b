"""Describe the failures of updates for T/update, and log faults of the program."""

import logging
import traceback
from pathlib import Path

from appliance.errors import ApplianceError, describe_os_error
from appliance.updates.reasons import make_reason

log = logging.getLogger("appliance.updates")


def describe_failure(error: Exception) -> str:
    """Return why an update failed, in one sentence without paths."""
    if isinstance(error, ApplianceError):
        return make_reason(str(error))
    if isinstance(error, OSError):
        name = Path(error.filename).name if isinstance(error.filename, str) else "the state folder"
        return make_reason(f"{name}: {describe_os_error(error)}")
    return f"an unexpected error in the program ({type(error).__name__}); the log has the traceback"


class FaultLog:
    """Logs faults of the program, each with its traceback, once until another one occurs."""

    def __init__(self) -> None:
        """Start with no fault."""
        self._last: tuple[type[Exception], str, int | None] | None = None

    def report(self, error: Exception) -> None:
        """Log an error that the program does not expect."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = type(error), place.filename, place.lineno
        if fault != self._last:
            self._last = fault
            log.error("an update failed", exc_info=error)
