"""Watch the threads and the memory of the daemon, and feed systemd's watchdog while all is well."""

import logging
import os
from collections.abc import Callable, Sequence

from appliance.errors import ApplianceError
from appliance.system.memory import VARIABLE as MEMORY_VARIABLE
from appliance.system.metrics import measure_rss_mb
from appliance.system.systemd import Notifier
from appliance.system.threads import Heartbeat, WatchedThread, find_overdue

log = logging.getLogger("appliance.daemon")


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
    ):
        """Set what to watch.

        Args:
            threads: The threads that must keep running within their deadlines.
            camera_heartbeat: The heartbeat of calls into the camera.
            notifier: Feeds systemd's watchdog.
            end_process: Ends the process without waiting for any thread.
            memory_limit_mb: The memory that the process may use, in MB; None for no limit.
            read_rss_mb: Returns the resident memory of the process in MB.
        """
        self._threads = threads
        self._camera_heartbeat = camera_heartbeat
        self._notifier = notifier
        self._end_process = end_process
        self._memory_limit_mb = memory_limit_mb
        self._read_rss_mb = read_rss_mb

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
            log.critical("%s; the watchdog is no longer fed", overdue)
            if self._camera_heartbeat.overdue():
                # The camera driver is stuck in the kernel, and only ending the process ends that call.
                log.critical("a call to the camera does not return; ending the process so that it is restarted")
                self._end_process()
            return
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
