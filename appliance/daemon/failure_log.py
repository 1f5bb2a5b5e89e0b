"""Log frames that cannot be labeled, with a bounded number of lines, however often they alternate with others."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("appliance.labeling")

REPEAT_S = 3600.0
"""How often an outage of labeling that continues is logged again, with the number of frames."""
QUIET_S = 600.0
"""How long every frame must be labeled until labeling counts as repaired."""


class FailureLog:
    """Logs the first frame that cannot be labeled, then a count each hour, then that labeling works again.

    The condition counts, not the text, because the runtime's messages differ and grow with each failure.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Start without a failure.

        Args:
            clock: Returns monotonic time in seconds.
        """
        self._clock = clock
        self._count = 0  # since the last line
        self._line_s = self._failed_s = 0.0
        self._has_failed = False
        self._traced: set[type[BaseException]] = set()

    def record_failure(self, reason: str, unexpected: BaseException | None) -> None:
        """Record a frame that could not be labeled.

        Args:
            reason: The reason, on one line and bounded.
            unexpected: An error that is a fault of the program, whose traceback is logged once; None for any other.
        """
        now_s = self._failed_s = self._clock()
        self._count += 1
        if not self._has_failed:
            is_new = unexpected is not None and type(unexpected) not in self._traced
            if unexpected is not None:
                self._traced.add(type(unexpected))
            log.error("a frame could not be labeled: %s", reason, exc_info=unexpected if is_new else None)
            self._has_failed, self._count, self._line_s = True, 0, now_s
        elif now_s - self._line_s >= REPEAT_S:
            log.error("%d more frames could not be labeled: %s", self._count, reason)
            self._count, self._line_s = 0, now_s

    def record_success(self) -> None:
        """Record a frame that was labeled."""
        if self._has_failed and self._clock() - self._failed_s >= QUIET_S:
            self._has_failed = False
            log.info("labeling works again; %d more frames could not be labeled", self._count)

    def reset(self) -> None:
        """Start over, because another model labels from now on."""
        self._has_failed, self._count = False, 0
