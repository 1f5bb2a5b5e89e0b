"""The daemon: build the parts, start them in order, supervise them, and stop them in reverse order.

Shutdown order: page closed → no more frames → open events ended → outbox flushed → `offline` acknowledged →
disconnected.
This module handles no frames and no messages; parts.py shows how the parts are connected.
"""

import logging
import threading
import time
from pathlib import Path

from appliance import __version__
from appliance.bundle.identity import ModelIdentity
from appliance.daemon.page.build import Page
from appliance.daemon.parts import build_parts, connect_commands
from appliance.daemon.pipeline import LABELING_LIMIT_S
from appliance.daemon.teaching.build import Teaching
from appliance.daemon.watchdog import LabelingWatch, Watchdog, exit_at_once
from appliance.messaging.open_event_check import check_open_event
from appliance.messaging.outbox.waiting_note import WaitingNote
from appliance.settings.schema import Settings
from appliance.system.memory import read_memory_limit_mb
from appliance.system.systemd import Notifier
from appliance.system.threads import WatchedThread, set_switch_interval

log = logging.getLogger("appliance.daemon")

_TICK_S = 1.0
_STOP_LIMIT_S = 10.0
_COLLECT_STOP_LIMIT_S = 2.0


class Service:
    """The whole appliance: call `start`, `supervise` and `stop` in this order.

    Attributes:
        parts: The connected parts.
        page: The page and its HTTP API, while it is on.
    """

    def __init__(
        self,
        settings: Settings,
        state: Path,
        runtime: Path,
        notifier: Notifier | None = None,
        *,
        state_error: str | None = None,
    ):
        """Build the parts; nothing runs yet.

        Args:
            settings: Valid settings.
            state: The state folder: models, the outbox, values set over MQTT.
            runtime: The folder for the control socket.
            notifier: Reports to systemd; None reports nothing.
            state_error: Why the state folder cannot be written; None if it can.

        Raises:
            SettingsError: A secret cannot be read, or the settings name a model that cannot be used.
            ModelError: No model can be loaded.
            OutboxError: Another process uses the outbox.
        """
        memory_mb = read_memory_limit_mb()
        self._notifier = notifier or Notifier({})
        self._wake = threading.Event()
        self._restart = self._stop = self._reload = False
        self.parts = parts = build_parts(settings, state, self._notifier, state_error)
        connected = connect_commands(parts, runtime, lambda: self.request_stop(restart=True))
        self._control = connected.control
        self._teaching = Teaching(parts, connected.commands, state)
        self.page = Page(parts, connected.commands, self._teaching, state, state_error)
        self._waiting_note = WaitingNote(state)
        self._waiting_note.compare(parts.outbox.path, parts.outbox.waiting)
        self._publisher_thread = WatchedThread("publisher", parts.publisher.run, parts.publisher.heartbeat)
        self._labeling_thread = WatchedThread("labeling", parts.pipeline.run, parts.pipeline.heartbeat)
        self._capture_thread = WatchedThread("capture", parts.capture.run, parts.capture.heartbeat)
        self._updater_thread = WatchedThread("updater", parts.updater.run)
        # In start order.
        self._threads = (self._publisher_thread, self._labeling_thread, self._capture_thread, self._updater_thread)
        self._watchdog = Watchdog(
            self._threads,
            parts.capture.heartbeat,
            self._notifier,
            lambda: exit_at_once(parts.active.mark_stopped),
            memory_mb,
            labeling=LabelingWatch(
                parts.pipeline.heartbeat,
                LABELING_LIMIT_S,
                lambda reason: exit_at_once(lambda: parts.active.record_hang(reason)),
            ),
        )

    def start(self) -> None:
        """Start every thread and report that the service is ready; the camera and the broker may be absent.

        Raises:
            ControlError: Another daemon uses the same control socket.
        """
        parts = self.parts
        set_switch_interval()
        self._control.start()
        model = parts.active.current
        name = _display_name(model.identity)
        runtime = f"{model.runtime} ({model.kernels})"
        log.info("camera-appliance %s, device %s, %s, model %s", __version__, parts.device, runtime, name)
        parts.pipeline.use(parts.engine)
        ended = parts.reports.end_unfinished(parts.outbox.open_events(check_open_event))
        if parts.history:
            parts.history.start()
            for event in ended:  # with the time of its last frame, which the history itself does not know
                parts.history.record_ended(event)
        parts.switches.start(parts.capture.set_running, parts.reloader.reopen_camera)
        for thread in self._threads:
            thread.start()
        parts.messaging.former_topics.start()
        parts.messaging.leftovers.start()
        self.page.start()
        parts.active.mark_ready()
        self._notifier.notify_ready(f"labeling with {name}")

    def supervise(self, seconds: float | None = None) -> None:
        """Watch the threads, feed the watchdog and publish the statistics until a stop is requested.

        Args:
            seconds: How long to supervise; None for no limit.

        Raises:
            ApplianceError: A thread ended unexpectedly, or the process uses too much memory.
        """
        until_s = None if seconds is None else time.monotonic() + seconds
        while not self._stop and (until_s is None or time.monotonic() < until_s):
            self._wake.wait(_TICK_S if until_s is None else max(0.0, min(_TICK_S, until_s - time.monotonic())))
            self._wake.clear()
            if self._reload:
                self._reload = False
                self.parts.reloader.reload()
            self._watchdog.check()
            self._waiting_note.update(self.parts.outbox.waiting)
            self.parts.stats.poll(lambda: self.page.add_stats(self.parts.status.collect_stats()))
            self.page.poll()

    def stop(self, failed: bool = False) -> None:
        """Stop everything in order. Each step has a time limit, so this always returns.

        Args:
            failed: Whether the daemon stops because of an error, which counts against a model on probation.
        """
        parts = self.parts
        self._notifier.notify_stopping()
        self.page.stop()
        self._control.stop()
        self._teaching.stop()
        parts.messaging.former_topics.stop()
        parts.messaging.leftovers.stop()
        parts.updater.stop()
        parts.capture.stop()
        parts.pipeline.stop()
        _join(self._capture_thread)
        _join(self._labeling_thread)
        parts.reports.close()
        parts.publisher.stop(_STOP_LIMIT_S)
        _join(self._publisher_thread)
        parts.outbox.close()
        self._waiting_note.finish(parts.outbox.waiting)
        parts.collector.stop(_COLLECT_STOP_LIMIT_S)
        if parts.history:
            parts.history.stop(_COLLECT_STOP_LIMIT_S)
        if not failed:
            parts.active.mark_stopped()
        log.info("stopped")

    def request_stop(self, restart: bool = False) -> None:
        """Make `supervise` return; callable from any thread or signal handler.

        Args:
            restart: Whether the process should start again afterwards.
        """
        self._stop, self._restart = True, self._restart or restart
        self._wake.set()

    def request_reload(self) -> None:
        """Make `supervise` reload the settings; callable from any thread or signal handler."""
        self._reload = True
        self._wake.set()

    @property
    def restart_requested(self) -> bool:
        """Whether the process should start again after `stop`."""
        return self._restart


def _display_name(identity: ModelIdentity) -> str:
    return f"{identity.name} {identity.version}"


def _join(thread: threading.Thread) -> None:
    if thread.is_alive():
        thread.join(_STOP_LIMIT_S)
