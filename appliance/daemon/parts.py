"""Build the parts of the daemon and connect them; nothing runs yet."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from appliance.camera.capture import Capture
from appliance.collection.collector import Collector
from appliance.collection.folder import FOLDER_NAME
from appliance.control.server import ControlServer
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.camera_setup import CameraOpener, CameraStatusHandler
from appliance.daemon.commands import DeviceCommands, DeviceQueries
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.engine import Engine
from appliance.daemon.fault_rollback import FaultRollback
from appliance.daemon.labeling_health import LabelingHealth
from appliance.daemon.latest_result import LatestResult
from appliance.daemon.listeners import (
    CollectorListener,
    EventLogListener,
    HistoryListener,
    ProbationListener,
    ReportsListener,
)
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.messaging_parts import MessagingParts, build_messaging
from appliance.daemon.meter import Meter
from appliance.daemon.model_switch import ModelSwitch
from appliance.daemon.overrides import OverrideFile
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.reloading import PictureParts, SettingsReloader
from appliance.daemon.results import ResultDispatcher
from appliance.daemon.stats_timer import StatsTimer
from appliance.daemon.status import Status, StatusSources
from appliance.daemon.update_host import UpdateHost
from appliance.errors import LabelOptionError, SettingsError
from appliance.history.recorder import HistoryRecorder
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.probe import ProbeResult, probe
from appliance.messaging.command_messages import Commands
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.settings.credentials import apply_credentials
from appliance.settings.fingerprint import hash_settings
from appliance.settings.schema import Settings
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import SOCKET_NAME
from appliance.system.systemd import Notifier
from appliance.updates.firebase.shutdown import shutdown_notice
from appliance.updates.sources.open import open_source
from appliance.updates.sources.source import FIREBASE_FOLDER
from appliance.updates.sources.traits import compute_frame_size
from appliance.updates.tools import UpdaterTools
from appliance.updates.updater import Updater

log = logging.getLogger("appliance.daemon")

# The folder of the history in the state folder.
HISTORY_FOLDER = "history"


@dataclass(frozen=True, slots=True)
class Parts:
    """The connected parts of one daemon.

    Attributes:
        device: The device id.
        collector: Collects frames while it is turned on.
        history: Records events; None if no history is kept.
        engine: The engine for the first frame.
    """

    device: str
    live: LiveSettings
    messaging: MessagingParts
    overrides: OverrideFile
    active: ActiveModel
    collector: Collector
    switches: DeviceSwitches
    results: ResultDispatcher
    pipeline: Pipeline
    capture: Capture
    switch: ModelSwitch
    update_host: UpdateHost
    updater: Updater
    stats: StatsTimer
    health: LabelingHealth
    latest: LatestResult
    history: HistoryRecorder | None
    status: Status
    reloader: SettingsReloader
    engine: Engine

    @property
    def outbox(self) -> Outbox:
        """The events that wait for the broker."""
        return self.messaging.outbox

    @property
    def publisher(self) -> MqttPublisher:
        """Publishes everything."""
        return self.messaging.publisher

    @property
    def reports(self) -> Reports:
        """Turns results into messages."""
        return self.messaging.reports


def build_parts(settings: Settings, state: Path, notifier: Notifier, state_error: str | None = None) -> Parts:
    """Build and connect the parts.

    Args:
        settings: Valid settings.
        state: The state folder: models, the outbox, the overrides.
        notifier: Reports to systemd.
        state_error: Why the state folder cannot be written; None if it can.

    Raises:
        SettingsError: A secret cannot be read, or the settings name a model that cannot be used.
        ModelError: No model can be loaded.
        OutboxError: Another process uses the outbox.
    """
    live = LiveSettings(apply_credentials(settings))
    settings = live.settings
    boot = secrets.token_hex(6)
    device = resolve_device_id(settings.device.id, state)
    # Open the outbox first: if another daemon uses the same state folder, the store must not record a start.
    messaging = build_messaging(settings, state, boot, device)
    reports = messaging.reports
    active = ActiveModel(state, settings.labeler, live.view, settings.camera.source)
    overrides = OverrideFile(state)
    collector = Collector(settings.collect, settings.collect.dir or state / FOLDER_NAME, live.view)
    switches = DeviceSwitches(live, overrides, reports, collector)

    meter, slot, results, stats = Meter(), FrameSlot(), ResultDispatcher(), StatsTimer(reports.report_stats)
    remote_threshold = _read_remote_threshold(settings, state)
    ids = _make_event_ids(boot)
    pipeline = Pipeline(slot, settings.labeler, settings.events, results, ids, meter, remote_threshold)
    switch = ModelSwitch(active, pipeline, overrides, reports.allow)
    update_host = UpdateHost(active, pipeline, switch, reports, has_source=settings.update.source != "none", boot=boot)
    updater = _make_updater(live, device, state, active, update_host)
    history = make_history(settings, state)
    opener = CameraOpener(live, active, switches, has_pictures=settings.web.enabled or keeps_pictures(settings))
    on_camera_change = CameraStatusHandler(pipeline, stats.request_soon).on_change
    capture = Capture(opener.open, settings.camera.fps, slot, on_camera_change)
    fault_rollback = FaultRollback(active, update_host, updater.notify_store_changed)
    health = LabelingHealth(fault_rollback.start, stats.request_soon)
    pictures = PictureParts(reports, collector, switches, state / FOLDER_NAME)
    parts = Parts(
        device, live, messaging, overrides, active, collector, switches, results, pipeline, capture, switch,
        update_host, updater, stats,
        health=health,
        latest=LatestResult(),
        history=history,
        status=Status(
            StatusSources(
                device, active, capture, pipeline, messaging.publisher, messaging.outbox, meter, health, collector,
                messaging.former_topics, state_error,
            )
        ),
        reloader=SettingsReloader(live, switch, active, capture, opener, updater, pictures, notifier),
        engine=_prepare_first_engine(switch, settings),
    )  # fmt: skip
    _register_listeners(parts)
    return parts


@dataclass(frozen=True, slots=True)
class CommandParts:
    """The parts through which commands reach the daemon."""

    commands: DeviceCommands
    control: ControlServer


def connect_commands(parts: Parts, runtime: Path, restart: Callable[[], None]) -> CommandParts:
    """Connect the commands of MQTT and of the control socket to the parts.

    Args:
        parts: The parts that the commands affect.
        runtime: The folder for the control socket.
        restart: Stops the daemon in an orderly way so that it is started again.
    """
    live, messaging, latest = parts.live, parts.messaging, parts.latest
    has_source = live.settings.update.source != "none"
    commands = DeviceCommands(
        parts.switch, parts.active, parts.switches, messaging.reports, parts.update_host.report_step,
        parts.updater if has_source else None, restart,
        DeviceQueries(
            describe=lambda: describe_daemon(parts),
            observe=lambda: describe_daemon(parts) | latest.describe(),
            encode_frame=lambda: latest.encode_frame(live.view),
        ),
    )  # fmt: skip
    topics = messaging.topics
    mqtt_commands = Commands(topics, commands.mqtt_handlers(topics.commands), messaging.publisher.answer)
    messaging.router.register(topics.commands.values(), mqtt_commands.handle)
    return CommandParts(commands, ControlServer(runtime / SOCKET_NAME, commands.answer_socket))


def _register_listeners(parts: Parts) -> None:
    for listener in (
        parts.latest,
        EventLogListener(),
        ReportsListener(parts.messaging.reports, parts.live),
        CollectorListener(parts.collector),
        parts.update_host,
        ProbationListener(parts.updater, parts.active),
        parts.health,
    ):
        parts.results.register(listener)
    if parts.history:
        parts.results.register(HistoryListener(parts.history, parts.live))


def keeps_history(settings: Settings) -> bool:
    """Return whether events are kept on the device: as history.enabled says, else while the page is on."""
    return settings.web.enabled if settings.history.enabled is None else settings.history.enabled


def keeps_pictures(settings: Settings) -> bool:
    """Return whether the pictures of events are kept on the device."""
    return keeps_history(settings) and settings.history.pictures


def make_history(settings: Settings, state: Path) -> HistoryRecorder | None:
    """Return the recorder of events; None if no history is kept."""
    return HistoryRecorder(state / HISTORY_FOLDER, settings.history) if keeps_history(settings) else None


def describe_daemon(parts: Parts) -> dict[str, Any]:
    """Return the state of the daemon, and hashes of the settings in force, for commands that compare theirs."""
    settings, history = parts.live.settings, parts.history
    return parts.status.describe(settings.path) | {
        "setting_hashes": hash_settings(settings),
        "history": {"folder": str(history.folder), "trouble": history.error} if history else None,
    }


def _make_event_ids(boot: str) -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{boot}-{next(numbers)}"


def _read_remote_threshold(settings: Settings, state: Path) -> float | None:
    """Return the threshold that Remote Config set last, which applies from the first frame on."""
    update = settings.update
    if update.source == "none" or not update.firebase.remote_config:
        return None
    from appliance.updates.firebase.remote_config import load_config

    return load_config(state / FIREBASE_FOLDER, update.firebase).threshold


def make_probe(live: LiveSettings) -> Callable[[Path], ProbeResult]:
    """Return a function that probes a bundle in a separate process, with the labeler settings of that moment."""

    def probe_bundle(bundle: Path) -> ProbeResult:
        labeler = live.settings.labeler
        return probe(bundle, runtime=labeler.runtime, threads=labeler.threads)

    return probe_bundle


def _make_updater(live: LiveSettings, device: str, state: Path, active: ActiveModel, host: UpdateHost) -> Updater:
    """Build the updater; without a source, it only finishes an earlier update and reports a reverted model."""
    settings = live.settings

    def open_update_source() -> Any:
        return open_source(settings.update, device, state, host, frame_size=compute_frame_size(settings.camera))

    if text := shutdown_notice(settings.update, datetime.now().astimezone().date()):
        log.warning("%s", text)
    return Updater(
        settings.update,
        settings.camera.fps,
        active.store,
        state,
        host,
        open_update_source,
        active.reverted,
        UpdaterTools(probe=make_probe(live)),
    )


def _prepare_first_engine(switch: ModelSwitch, settings: Settings) -> Engine:
    try:
        return switch.prepare_first_engine()
    except LabelOptionError as error:
        raise SettingsError(f"{settings.path or 'the settings'}, section [labeler]: {error}") from error
