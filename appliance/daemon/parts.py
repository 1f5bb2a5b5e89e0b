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
from appliance.daemon.listeners import CollectorListener, EventLogListener, ProbationListener, ReportsListener
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.message_router import MessageRouter
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
from appliance.imaging.frame_slot import FrameSlot
from appliance.labeling.probe import ProbeResult, probe
from appliance.messaging.command_messages import Commands
from appliance.messaging.former_topics import FormerTopicsCleaner
from appliance.messaging.home_assistant.published import FILE_NAME as PUBLISHED_NAME
from appliance.messaging.home_assistant.published import PublishedTopicsFile
from appliance.messaging.identity import IdentityFile, make_address
from appliance.messaging.leftovers import LeftoverCleaner
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.credentials import apply_credentials
from appliance.settings.fingerprint import hash_settings
from appliance.settings.schema import Settings
from appliance.settings.secrets import read_secret
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import SOCKET_NAME
from appliance.system.systemd import Notifier
from appliance.updates.firebase.shutdown import shutdown_notice
from appliance.updates.sources.open import open_source
from appliance.updates.sources.source import FIREBASE_FOLDER
from appliance.updates.updater import Updater, UpdaterTools

log = logging.getLogger("appliance.daemon")


@dataclass(frozen=True, slots=True)
class Parts:
    """The connected parts of one daemon.

    Attributes:
        device: The device id.
        engine: The engine for the first frame.
        collector: Collects frames while it is turned on.
    """

    device: str
    live: LiveSettings
    outbox: Outbox
    former_topics: FormerTopicsCleaner
    leftovers: LeftoverCleaner
    overrides: OverrideFile
    active: ActiveModel
    publisher: MqttPublisher
    reports: Reports
    collector: Collector
    switches: DeviceSwitches
    results: ResultDispatcher
    pipeline: Pipeline
    capture: Capture
    switch: ModelSwitch
    update_host: UpdateHost
    updater: Updater
    stats: StatsTimer
    status: Status
    commands: DeviceCommands
    control: ControlServer
    reloader: SettingsReloader
    engine: Engine


def build_parts(
    settings: Settings,
    state: Path,
    runtime: Path,
    notifier: Notifier,
    restart: Callable[[], None],
    state_error: str | None = None,
) -> Parts:
    """Build and connect the parts.

    Args:
        settings: Valid settings.
        state: The state folder: models, the outbox, the overrides.
        runtime: The folder for the control socket.
        notifier: Reports to systemd.
        restart: Stops the daemon in an orderly way so that it is started again.
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
    topics = Topics(settings.mqtt.base_topic, device, settings.mqtt.discovery_prefix)
    # Open the outbox first: if another daemon uses the same state folder, the store must not record a start.
    outbox = _open_outbox(settings, topics, state)
    former_topics = _make_former_topics_cleaner(settings, topics, state)
    active = ActiveModel(state, settings.labeler, live.view)
    router = MessageRouter()
    publisher = _make_publisher(settings, topics, outbox, router, device)
    reports = Reports(publisher, topics, settings, boot, state)
    leftovers = _make_leftover_cleaner(settings, topics, reports)
    overrides = OverrideFile(state)
    collector = _make_collector(live, state)
    switches = DeviceSwitches(live, overrides, reports, collector)

    meter, slot, results, stats = Meter(), FrameSlot(), ResultDispatcher(), StatsTimer(reports.report_stats)
    remote_threshold = _read_remote_threshold(settings, state)
    ids = _make_event_ids(boot)
    pipeline = Pipeline(slot, settings.labeler, settings.events, results, ids, meter, remote_threshold)
    switch = ModelSwitch(active, pipeline, overrides, reports.allow)
    has_source = settings.update.source != "none"
    update_host = UpdateHost(active, pipeline, switch, reports, has_source=has_source)
    updater = _make_updater(live, device, state, active, update_host)
    opener = CameraOpener(live, active, switches)
    on_camera_change = CameraStatusHandler(pipeline, stats.request_soon).on_change
    capture = Capture(opener.open, settings.camera.fps, slot, on_camera_change)
    fault_rollback = FaultRollback(active, update_host, updater.notify_store_changed)
    health = LabelingHealth(fault_rollback.start, stats.request_soon)
    status = Status(
        StatusSources(
            device,
            active,
            capture,
            pipeline,
            publisher,
            outbox,
            meter,
            health,
            collector,
            former_topics,
            state_error,
            state,
        )
    )

    latest = LatestResult()
    results.register(latest)
    results.register(EventLogListener())
    results.register(ReportsListener(reports, live))
    results.register(CollectorListener(collector))
    results.register(update_host)
    results.register(ProbationListener(updater, active))
    results.register(health)

    commands = DeviceCommands(
        switch, active, switches, reports, update_host.report_step, updater if has_source else None, restart,
        DeviceQueries(
            describe=lambda: describe_daemon(status, live.settings),
            observe=lambda: describe_daemon(status, live.settings) | latest.describe(),
            encode_frame=lambda: latest.encode_frame(live.view),
        ),
    )  # fmt: skip
    mqtt_commands = Commands(topics, commands.mqtt_handlers(topics.commands), publisher.answer)
    router.register(topics.commands.values(), mqtt_commands.handle)
    router.register([topics.homeassistant_status], lambda message: reports.handle_homeassistant_status(message.payload))
    return Parts(
        device, live, outbox, former_topics, leftovers, overrides, active, publisher, reports, collector, switches,
        results, pipeline, capture, switch, update_host, updater, stats, status, commands,
        control=ControlServer(runtime / SOCKET_NAME, commands.answer_socket),
        reloader=SettingsReloader(
            live, switch, active, capture, opener, updater,
            PictureParts(reports, collector, switches, state / FOLDER_NAME), notifier,
        ),
        engine=_prepare_first_engine(switch, settings),
    )  # fmt: skip


def describe_daemon(status: Status, settings: Settings) -> dict[str, Any]:
    """Return the state of the daemon, and hashes of the settings in force, for commands that compare theirs."""
    return status.describe(settings.path) | {"setting_hashes": hash_settings(settings)}


def _open_outbox(settings: Settings, topics: Topics, state: Path) -> Outbox:
    mqtt = settings.mqtt
    return Outbox(state / "outbox.sqlite3", mqtt.outbox_max_events, mqtt.outbox_max_age_s, address=make_address(topics))


def _make_former_topics_cleaner(settings: Settings, topics: Topics, state: Path) -> FormerTopicsCleaner:
    """Record the names of the topics; return the cleaner of former ones. Call it before the reports are built."""
    file = IdentityFile(state)
    former = file.update(topics, PublishedTopicsFile(state / PUBLISHED_NAME).read().topics)
    client_id = f"{settings.mqtt.client_id or f'appliance-{topics.device}'}-former"
    return FormerTopicsCleaner(
        settings.mqtt, _read_mqtt_password(settings) if former else None, client_id, file, former
    )


def _make_leftover_cleaner(settings: Settings, topics: Topics, reports: Reports) -> LeftoverCleaner:
    client_id = f"{settings.mqtt.client_id or f'appliance-{topics.device}'}-leftovers"
    return LeftoverCleaner(settings.mqtt, _read_mqtt_password(settings), client_id, topics, reports.clear_leftovers)


def _make_publisher(
    settings: Settings, topics: Topics, outbox: Outbox, router: MessageRouter, device: str
) -> MqttPublisher:
    return MqttPublisher(
        settings.mqtt,
        _read_mqtt_password(settings),
        topics,
        outbox,
        [*topics.commands.values(), topics.homeassistant_status],
        router.route,
        settings.mqtt.client_id or f"appliance-{device}",
    )


def _read_mqtt_password(settings: Settings) -> str | None:
    if settings.mqtt.password_file is None:
        return None
    password, warning = read_secret(settings.mqtt.password_file, "mqtt.password_file")
    if warning:
        log.warning("%s", warning)
    return password


def _make_collector(live: LiveSettings, state: Path) -> Collector:
    collect = live.settings.collect
    return Collector(collect, collect.dir or state / FOLDER_NAME, live.view)


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
        return open_source(settings.update, device, state, host)

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
