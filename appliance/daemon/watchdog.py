"""Watch the threads and the memory of the daemon, and feed systemd's watchdog while all is well."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceError
from appliance.system.memory import VARIABLE as MEMORY_VARIABLE
from appliance.system.metrics import measure_rss_mb
from appliance.system.systemd import Notifier
from appliance.system.threads import Heartbeat, WatchedThread, find_overdue

log = logging.getLogger("appliance.daemon")


# One frame may take this long before the process ends. systemd's own watchdog (WatchdogSec) acts later.
HANG_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class LabelingWatch:
    """How to notice and end a model that does not return from a frame.

    Attributes:
        heartbeat: The labeling thread's heartbeat.
        deadline_s: The deadline that the thread announces for a frame, in seconds.
        end_process: Records the reason and ends the process without waiting for any thread.
        clock: Returns monotonic time in seconds.
    """

    heartbeat: Heartbeat
    deadline_s: float
    end_process: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic

    def now_s(self) -> float:
        """Return the time at which a frame is overdue now if it takes longer than HANG_LIMIT_S."""
        return self.clock() - (HANG_LIMIT_S - self.deadline_s)


class Watchdog:
    """Check threads and memory; the service calls `check` about once a second."""

    def __init__(
        self,
        threads: Sequence[WatchedThread],
        camera_heartbeat: Heartbeat,
        notifier: Notifier,
        end_process: Callable[[], None],
        memory_limit_mb: float | None,
        read_rss_mb: Callable[[], float] = measure_rss_mb,
        labeling: LabelingWatch | None = None,
    ):
        """Set what to watch.

        Args:
            threads: The threads that must keep running within their deadlines.
            camera_heartbeat: The heartbeat of calls into the camera.
            notifier: Feeds systemd's watchdog.
            end_process: Ends the process without waiting for any thread.
            memory_limit_mb: The memory that the process may use, in MB; None for no limit.
            read_rss_mb: Returns the resident memory of the process in MB.
            labeling: How to notice and end a model that does not return from a frame; None leaves that to systemd.
        """
        self._threads = threads
        self._camera_heartbeat = camera_heartbeat
        self._notifier = notifier
        self._end_process = end_process
        self._memory_limit_mb = memory_limit_mb
        self._read_rss_mb = read_rss_mb
        self._labeling = labeling
        self._overdue: str | None = None

    def check(self) -> None:
        """Check everything, and feed systemd's watchdog while every thread is within its deadline.

        Raises:
            ApplianceError: A thread ended unexpectedly, or the process uses too much memory.
        """
        self._check_threads()
        self._check_memory()

    def _check_threads(self) -> None:
        for thread in self._threads:
            if thread.failure:
                raise ApplianceError(f"the {thread.name} thread failed: {thread.failure!r}") from thread.failure
        if overdue := find_overdue(thread.heartbeat for thread in self._threads):
            if overdue != self._overdue:
                log.critical("%s; the watchdog is no longer fed", overdue)
            self._overdue = overdue
            if self._labeling and (reason := self._labeling.heartbeat.overdue(self._labeling.now_s())):
                log.critical("%s for more than %g s; ending the process so that it is restarted", reason, HANG_LIMIT_S)
                self._labeling.end_process(reason)
            if self._camera_heartbeat.overdue():
                # The camera driver is stuck in the kernel, and only ending the process ends that call.
                log.critical("a call to the camera does not return; ending the process so that it is restarted")
                self._end_process()
            return
        self._overdue = None
        self._notifier.feed_watchdog()

    def _check_memory(self) -> None:
        """Raise before the machine runs out of memory, so that the process stops in an orderly way."""
        if self._memory_limit_mb and (used_mb := self._read_rss_mb()) > self._memory_limit_mb:
            raise ApplianceError(
                f"the process uses {used_mb:.0f} MB of memory, more than its limit of {self._memory_limit_mb:.0f} MB"
                f" ({MEMORY_VARIABLE}), and ends so that it can be restarted; if the model needs that much,"
                " raise the limit with: systemctl edit appliance"
            )


def exit_at_once(record_stop: Callable[[], None]) -> None:
    """End the process without waiting for its threads.

    Args:
        record_stop: Called first, so that this exit does not count against the model.
    """
    record_stop()
    logging.shutdown()
    os._exit(1)
