"""Build the page's side of the daemon, and keep it apart: nothing here may stop the labeling.

While web.enabled is false, the web server and its libraries are not imported.
"""

import logging
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.daemon.commands import DeviceCommand, DeviceCommands
from appliance.daemon.page.access_commands import AccessCommands, list_urls
from appliance.errors import SettingsError, WebError, suggest_install
from appliance.messaging.device_payloads import StatsPayload

if TYPE_CHECKING:
    from appliance.daemon.page.device import DaemonDevice
    from appliance.daemon.page.sources import PageSources
    from appliance.daemon.parts import Parts
    from appliance.daemon.teaching.build import Teaching
    from appliance.web.server import WebServer

log = logging.getLogger("appliance.web")

_LIBRARIES = ("fastapi", "uvicorn", "h11", "markdown_it")
_TRY_AGAIN_S = 30.0
_STOP_LIMIT_S = 5.0


def find_missing_library() -> str | None:
    """Return a library of the page that is not installed; None if all are."""
    return next((name for name in _LIBRARIES if find_spec(name) is None), None)


@dataclass(slots=True)
class _RunningPage:
    sources: "PageSources"
    device: "DaemonDevice"
    server: "WebServer | None" = None


class Page:
    """The page of the daemon: call `start`, `poll` about once a second, and `stop`."""

    def __init__(
        self,
        parts: "Parts",
        commands: DeviceCommands,
        teaching: "Teaching",
        state: Path,
        state_error: str | None = None,
    ):
        """Connect the page to the parts if it is on; the commands of `appliance web` work in any case.

        Args:
            parts: The connected parts of the daemon.
            commands: The command table.
            teaching: The dataset of the device and the training on it.
            state: The state folder.
            state_error: Why the state folder cannot be written; None if it can.

        Raises:
            SettingsError: The page is on, but its libraries are not installed.
        """
        self._parts, self._teaching, self._state = parts, teaching, state
        self._error: str | None = None
        self._try_again_s = 0.0
        self._commands = AccessCommands(
            state, lambda: parts.live.settings.web, lambda: self._error, lambda: self.viewers
        )
        commands.register("web", DeviceCommand(self._commands.run))
        self._running = self._build(commands, state_error) if parts.live.settings.web.enabled else None

    @property
    def viewers(self) -> int | None:
        """The number of open pages; None while the page is off."""
        server = self._running.server if self._running else None
        return server.viewers if server else None

    @property
    def ports(self) -> list[int]:
        """The ports on which the page is served."""
        server = self._running.server if self._running else None
        return server.ports if server else []

    def make_link(self) -> str | None:
        """Return an address of the page with a one-time sign-in code; None if no page is served."""
        if self._running is None or self._running.server is None:
            return None
        return f"{list_urls(self._parts.live.settings.web)[0]}/#{self._commands.access.make_code()}"

    def start(self) -> None:
        """Begin to serve; an address in use is logged and tried again."""
        running = self._running
        if running is None:
            return
        from appliance.web.server import WebServer

        settings = self._parts.live.settings
        try:
            server = WebServer(
                settings.web, running.device, self._commands.access, self._state, settings.update.max_bytes
            )
            server.start()
        except WebError as error:
            if str(error) != self._error:
                log.error("%s; labeling continues without the page", error)
            self._error, self._try_again_s = str(error), time.monotonic() + _TRY_AGAIN_S
            return
        self._error, running.server = None, server
        running.device.use_notify(server.notify)

    def poll(self) -> None:
        """Try again to serve the page if that failed."""
        if self._running and self._running.server is None and time.monotonic() >= self._try_again_s:
            self.start()

    def add_stats(self, stats: StatsPayload) -> StatsPayload:
        """Keep statistics for the charts; return them with the number of viewers."""
        if self._running is None:
            return stats
        self._running.sources.stats.add(stats)
        return replace(stats, viewers=self.viewers)

    def stop(self) -> None:
        """End every stream and stop serving."""
        if self._running is None:
            return
        logging.getLogger("appliance").removeHandler(self._running.sources.log)
        if self._running.server:
            self._running.server.stop(_STOP_LIMIT_S)

    def _build(self, commands: DeviceCommands, state_error: str | None) -> _RunningPage:
        if missing := find_missing_library():
            raise SettingsError(f"web.enabled is true, but {missing} is missing; {suggest_install('web')}")
        from appliance.daemon.page.device import DaemonDevice
        from appliance.daemon.page.notifier import PageListener
        from appliance.daemon.page.sources import FrameRate, PageSources
        from appliance.daemon.page.stats_history import StatsHistory
        from appliance.system.log_ring import LogRing

        parts = self._parts
        settings = parts.live.settings
        listener = PageListener(lambda: parts.history is not None and settings.history.pictures)
        sources = PageSources(parts, listener, FrameRate(), StatsHistory(), LogRing(), state_error)
        parts.results.register(sources.rate)
        parts.results.register(listener)
        # Not on the root logger, whose handlers a reload of the settings replaces.
        logging.getLogger("appliance").addHandler(sources.log)
        return _RunningPage(sources, DaemonDevice(sources, commands, self._teaching))
