"""The composition root: builds the parts, starts them, watches over them and stops them in order.

Order of stopping: no more frames → open events ended → outbox flushed → `offline` acknowledged → disconnected.
Nothing here works on frames or messages; each part does, and this file says who is tied to whom.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from appliance import __version__
from appliance.camera.capture import CameraStatus, Capture
from appliance.camera.open import open_camera
from appliance.camera.source import Camera, CameraState
from appliance.collection.collector import Collector
from appliance.control.server import ControlServer
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.commands import DeviceCommands
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Engine, Pipeline
from appliance.daemon.status import Status
from appliance.daemon.update_host import UpdateHost
from appliance.errors import ApplianceError, LabelOptionError, SettingsError
from appliance.imaging.files import jpeg
from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot
from appliance.imaging.view import View
from appliance.labeling.labels import Label
from appliance.labeling.preprocess import upright
from appliance.labeling.probe import probe
from appliance.labeling.tracker import Event
from appliance.messaging.commands import Commands
from appliance.messaging.mqtt.message import Message
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.changes import compare
from appliance.settings.credentials import with_credentials
from appliance.settings.load import load
from appliance.settings.schema import CameraSettings, Settings
from appliance.settings.secrets import read_secret
from appliance.system.device_id import device_id
from appliance.system.logs import set_up
from appliance.system.memory import VARIABLE as MEMORY_VARIABLE
from appliance.system.memory import memory_limit_mb
from appliance.system.metrics import rss_mb
from appliance.system.paths import SOCKET_NAME
from appliance.system.systemd import Notifier
from appliance.system.threads import WatchedThread, first_overdue, share_the_interpreter
from appliance.updates.sources.open import notice, open_source
from appliance.updates.sources.source import FIREBASE_FOLDER
from appliance.updates.updater import Updater

log = logging.getLogger(__name__)

STATS_EVERY_S = 60.0
FIRST_STATS_S = 5.0
_TICK_S = 1.0
_STOP_LIMIT_S = 10.0
_COLLECT_STOP_LIMIT_S = 2.0
# What snapshots, collected frames and people looking at them want, where the labeler would do with less.
_SNAPSHOT_PX = (1280, 720)


class Service:
    """The whole appliance: `start()`, `supervise()`, `stop()`."""

    def __init__(self, settings: Settings, state: Path, runtime: Path, notifier: Notifier | None = None):
        """Builds the parts; nothing runs yet.

        Args:
            settings: Valid settings.
            state: The folder for what lasts: models, the outbox, what was set over MQTT.
            runtime: The folder for the control socket.
            notifier: Tells systemd; without it, nobody.

        Raises:
            SettingsError: A secret cannot be read, or the settings name a model that cannot be used.
            ModelError: No model can be loaded.
            OutboxError: Another process uses the outbox.
        """
        self.settings = settings = with_credentials(settings)
        self.view = _view(settings.camera)
        self._memory_limit_mb = memory_limit_mb()
        self._notifier = notifier or Notifier({})
        self._boot = secrets.token_hex(6)
        self._ask = threading.Event()
        self._restart = self._stop = self._reload = False
        self._stats_due_s = time.monotonic() + FIRST_STATS_S

        self.device = device_id(settings.device.id, state)
        self.topics = Topics(settings.mqtt.base_topic, self.device, settings.mqtt.discovery_prefix)
        # The outbox comes first: another daemon on the same state holds it, and then the store must not note a start.
        self._outbox = Outbox(state / "outbox.sqlite3", settings.mqtt.outbox_max_events, settings.mqtt.outbox_max_age_s)
        self.models = ActiveModel(state, settings.labeler, self.view)
        self.publisher = MqttPublisher(
            settings.mqtt,
            _mqtt_password(settings),
            self.topics,
            self._outbox,
            [*self.topics.commands.values(), self.topics.homeassistant_status],
            self._on_message,
            settings.mqtt.client_id or f"appliance-{self.device}",
        )
        self.reports = Reports(self.publisher, self.topics, settings, self._boot, state)

        self.collector = None
        if settings.collect.enabled:
            self.collector = Collector(settings.collect, settings.collect.dir or state / "collected", self.view)
        self.meter = Meter()
        slot = FrameSlot()
        numbers = count(1)
        self.pipeline = Pipeline(
            slot, settings.labeler, settings.events, self, lambda: f"{self._boot}-{next(numbers)}", self.meter
        )
        self._read_remote_config(state)
        self.capture = Capture(self._open_camera, settings.camera.fps, slot, self._camera_changed)
        self.junction = UpdateHost(self.models, self.pipeline, self.reports)
        self._status = Status(
            self.device,
            self.models,
            self.capture,
            self.pipeline,
            self.publisher,
            self._outbox,
            self.meter,
            self.collector,
        )
        self.orders = DeviceCommands(
            state, self.models, self.pipeline, self.capture, self.reports,
            restart=lambda: self.ask_stop(restart=True),
            describe=lambda: self._status.describe(self.settings.path),
        )  # fmt: skip
        self.junction.ties(self.orders)
        self.updater = self._make_updater(state)
        self.pipeline.on_outcome = self._outcome
        self._commands = Commands(self.topics, self.orders.handlers(), self.publisher.answer)
        try:
            self._engine = self.pipeline.prepare(self.models.current, self.orders.remembered.threshold)
        except LabelOptionError as error:
            raise SettingsError(f"{settings.path or 'the settings'}, section labeler: {error}") from error
        self._control = ControlServer(runtime / SOCKET_NAME, self.orders.answer)
        self._threads = [
            WatchedThread("publisher", self.publisher.run, self.publisher.pulse),
            WatchedThread("labeling", self.pipeline.run, self.pipeline.pulse),
            WatchedThread("capture", self.capture.run, self.capture.pulse),
            WatchedThread("updater", self.updater.run),
        ]

    def start(self) -> None:
        """Starts every thread and says that the service is ready; camera and broker may be absent.

        Raises:
            ControlError: Another daemon runs on the same state.
        """
        share_the_interpreter()
        self._control.start()
        model = self.models.current
        log.info(
            "camera-appliance %s, device %s, %s, model %s",
            __version__,
            self.device,
            model.runtime,
            _named(model.identity),
        )
        self.pipeline.use(self._engine)
        self.reports.end_unfinished(self._outbox.open_events())
        self.reports.running(self.orders.remembered.running)
        self.capture.set_running(self.orders.remembered.running)
        if self.collector:
            self.collector.start()
        for thread in self._threads:
            thread.start()
        self.models.ready()
        self._notifier.ready(f"labeling with {_named(model.identity)}")

    def supervise(self, seconds: float | None = None) -> None:
        """Watches over the threads, feeds the watchdog and sends the stats, until a stop is asked for.

        Args:
            seconds: Returns after this long at the latest; None: no limit.

        Raises:
            ApplianceError: A thread ended that must not, or the program has grown beyond its bound.
        """
        until_s = None if seconds is None else time.monotonic() + seconds
        while not self._stop and (until_s is None or time.monotonic() < until_s):
            self._ask.wait(_TICK_S if until_s is None else max(0.0, min(_TICK_S, until_s - time.monotonic())))
            self._ask.clear()
            if self._reload:
                self._reload = False
                self._read_settings_again()
            self._look_after_threads()
            self._look_after_memory()
            if time.monotonic() >= self._stats_due_s:
                self._stats_due_s = time.monotonic() + STATS_EVERY_S
                self.reports.stats(self._status.stats())

    def stop(self, failed: bool = False) -> None:
        """Stops everything in order; each step has its time limit, so that this always returns.

        Args:
            failed: Nobody asked for it, the program could not go on: that counts against a model on probation.
        """
        self._notifier.stopping()
        self._control.stop()
        self.updater.stop()
        self.capture.stop()
        self.pipeline.stop()
        _join(self._threads[2], self._threads[1])
        self.reports.close()
        self.publisher.stop(_STOP_LIMIT_S)
        _join(self._threads[0])
        self._outbox.close()
        if self.collector:
            self.collector.stop(_COLLECT_STOP_LIMIT_S)
        if not failed:
            self.models.end()
        log.info("stopped")

    def ask_stop(self, restart: bool = False) -> None:
        """Makes `supervise` return; from any thread or signal handler."""
        self._stop, self._restart = True, self._restart or restart
        self._ask.set()

    def ask_reload(self) -> None:
        """Makes `supervise` read the settings again; from any thread or signal handler."""
        self._reload = True
        self._ask.set()

    @property
    def restart_wanted(self) -> bool:
        """Whether it stopped to be started again."""
        return self._restart

    # What the labeling thread found (pipeline.Results).

    def labeled(
        self, frame: Frame, engine: Engine, scores: np.ndarray, labels: Sequence[Label], events: Sequence[Event]
    ) -> None:
        """Hands one frame's result to the reports, and to the collector where there is one."""
        self.reports.frame(
            frame,
            labels,
            engine.labeler.inference_ms,
            events,
            engine.tracker.open_peaks,
            lambda: jpeg(upright(frame.pixels, self.view)),
        )
        if self.collector:
            labeler = engine.labeler
            self.collector.offer(frame, labeler.labels, engine.filter.masked(scores), events, labeler.identity)

    def ended(self, events: Sequence[Event]) -> None:
        """Hands events on that no frame ended."""
        self.reports.events_ended(events)

    def engine_changed(self, engine: Engine) -> None:
        """Says which model and which threshold hold from now on."""
        labeler = engine.labeler
        self.reports.model_changed(labeler.identity, labeler.labels, engine.filter.reportable)
        self.reports.threshold(engine.filter.threshold)
        self.junction.engine_changed(engine)

    # What others see and ask for.

    def _read_remote_config(self, state: Path) -> None:
        """The threshold that Remote Config chose last holds from the first frame on."""
        settings = self.settings.update
        if settings.source != "none" and settings.firebase.remote_config:
            from appliance.updates.firebase.remote_config import kept_config

            self.pipeline.configured_threshold = kept_config(state / FIREBASE_FOLDER, settings.firebase).threshold

    def _make_updater(self, state: Path) -> Updater:
        """The update machine. Without a source it only ends what an earlier one began, and tells what a start found."""
        settings = self.settings.update
        updater = Updater(
            settings, self.settings.camera.fps, self.models.store, state, self.junction,
            lambda: open_source(settings, self.device, state, self.junction), self.models.taken_back,
            lambda bundle: probe(bundle, runtime=self.settings.labeler.runtime, threads=self.settings.labeler.threads),
        )  # fmt: skip
        if settings.source != "none":
            self.orders.updater = updater
        if said := notice(settings, date.today()):
            log.warning("%s", said)
        return updater

    def _outcome(self, inference_ms: float, trouble: str | None) -> None:
        """Hands an outcome to the update machine; that of a model that the settings name says nothing about another."""
        if not self.models.named:
            self.updater.outcome(inference_ms, trouble)

    def _on_message(self, message: Message) -> None:
        if message.topic == self.topics.homeassistant_status:
            self.reports.homeassistant_status(message.payload)
        else:
            self._commands.handle(message)

    def _camera_changed(self, status: CameraStatus) -> None:
        if status.state not in (CameraState.STREAMING, CameraState.OPENING):
            self.pipeline.end_events("running" if status.state == CameraState.OFF else "camera")
            self.reports.nothing_seen()
        self._stats_due_s = min(self._stats_due_s, time.monotonic() + 1.0)

    def _open_camera(self) -> Camera:
        return open_camera(self.settings.camera, self._wanted_px(self.models.current.input_px))

    def _read_settings_again(self) -> None:
        """Takes over what can change while it runs and says what cannot; wrong settings change nothing."""
        self._notifier.reloading()
        try:
            changes = compare(self.settings, with_credentials(load(self.settings.path)))
            view = _view(changes.settings.camera)
            if changes.labels:
                self.orders.use_settings(changes.settings.labeler, changes.settings.events, view, changes.model)
        except ApplianceError as error:
            log.error("the settings were read again and are wrong, so those from before go on to hold: %s", error)
            self._notifier.ready(f"the settings are wrong, those from before hold: {error}")
            return
        self.settings, self.view = changes.settings, view
        if changes.camera:
            self.capture.use_camera(self._open_camera, self.settings.camera.fps)
            self.updater.use_fps(self.settings.camera.fps)
        if changes.model:
            self.updater.store_changed()
        if changes.log:
            set_up(self.settings.log.level, self.settings.log.format)
        log.info(
            "the settings were read again; %s",
            f"changed: {', '.join(changes.live)}" if changes.live else "nothing to change",
        )
        if changes.restart:
            log.warning("these take effect after `systemctl restart appliance`: %s", ", ".join(changes.restart))
        self._notifier.ready(f"labeling with {_named(self.models.current.identity)}")

    def _wanted_px(self, input_px: tuple[int, int]) -> tuple[int, int]:
        """The size that is enough for the labeler: its input, on the part of the picture that it looks at."""
        _, _, width, height = self.view.region or (0.0, 0.0, 1.0, 1.0)
        wanted = round(input_px[0] / width), round(input_px[1] / height)
        if self.view.rotation in (90, 270):
            wanted = wanted[::-1]
        if self.settings.mqtt.snapshots or self.settings.collect.enabled:
            wanted = max(wanted[0], _SNAPSHOT_PX[0]), max(wanted[1], _SNAPSHOT_PX[1])
        return wanted

    def _look_after_threads(self) -> None:
        """Feeds the watchdog while every thread keeps its deadlines.

        A camera call that does not return can only be ended with the process (a driver hangs in the kernel).
        """
        for thread in self._threads:
            if thread.failure:
                raise ApplianceError(f"the {thread.name} thread ended: {thread.failure!r}") from thread.failure
        if stuck := first_overdue(thread.pulse for thread in self._threads):
            log.critical("%s; the watchdog is no longer fed", stuck)
            if self.capture.pulse.overdue():
                log.critical("a call into the camera does not return: ending the process so that it is started anew")
                self.models.end()  # it is not the model that is to blame
                logging.shutdown()
                os._exit(1)
            return
        self._notifier.alive()

    def _look_after_memory(self) -> None:
        """Ends a program that has grown beyond its bound, before the machine is out of memory."""
        if self._memory_limit_mb and (used_mb := rss_mb()) > self._memory_limit_mb:
            raise ApplianceError(
                f"the program has grown to {used_mb:.0f} MB and may use {self._memory_limit_mb:.0f} ({MEMORY_VARIABLE}):"
                " ending it so that it is started anew; if the model is that large, raise the bound with: systemctl edit appliance"
            )


def _view(camera: CameraSettings) -> View:
    return View(camera.rotation, camera.hflip, camera.vflip, camera.region)


def _mqtt_password(settings: Settings) -> str | None:
    if settings.mqtt.password_file is None:
        return None
    password, warning = read_secret(settings.mqtt.password_file, "mqtt.password_file")
    if warning:
        log.warning("%s", warning)
    return password


def _named(identity: Any) -> str:
    return f"{identity.name} {identity.version}"


def _join(*threads: threading.Thread) -> None:
    for thread in threads:
        if thread.is_alive():
            thread.join(_STOP_LIMIT_S)
