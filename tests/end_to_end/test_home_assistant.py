"""Test the device in a real Home Assistant: availability, labels, order, updates, leftovers, and a clean log."""

import threading
from collections.abc import Iterator

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.daemon.model_status import describe_model
from appliance.messaging.home_assistant.label_entities import build_end_trigger, build_start_trigger
from appliance.messaging.home_assistant.label_states import (
    build_label_template,
    format_label_state,
    list_label_states,
)
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.schema import DeviceSettings, MqttSettings, Settings
from appliance.system.shipped import find_shipped
from appliance.updates.steps import UpdateState, UpdateStatus, UpdateStep
from appliance.updates.store.store import Store
from support import made_models
from support.broker import Broker, wait_until
from support.bundles import bundle_folder
from support.daemon import Daemon, settings
from support.home_assistant import HomeAssistant, missing
from support.messaging import FLOWERS, STATS, ended, frame, seen, started
from support.model_server import ModelServer
from support.paths import ROOT
from support.rig import publish

pytestmark = pytest.mark.slow

BUNDLED = find_shipped("flowers")
T = Topics("appliance", "pi-1")
BIRDS = ModelIdentity("birds", "2.0", "cd" * 32)
LABELS = ["rose", "tulip", "unknown", "None"]
LABEL, SCORE, CAMERA = "sensor.camera_pi_1_label", "sensor.camera_pi_1_score", "sensor.camera_pi_1_camera"
ROSE, MODEL, STATE = "binary_sensor.camera_pi_1_rose", "update.camera_pi_1_model", "sensor.camera_pi_1_update_state"
EVENT = "event.camera_pi_1_event"
PICTURE = b"\xff\xd8\xff\xe0 a picture of frame %d"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HomeAssistant, Broker]]:
    """Return a running Home Assistant and its broker; starting it takes 5 s."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("home-assistant")
    broker = Broker(folder / "broker")
    try:
        with HomeAssistant(folder / "home", broker) as home:
            yield home, broker
    finally:
        broker.stop()


class Device:
    """Publisher and reports, connected as in the daemon; frames come from the test."""

    def __init__(self, broker, folder, model=FLOWERS, labels=LABELS, **mqtt):
        folder.mkdir(exist_ok=True)
        mqtt = MqttSettings(host=broker.host, port=broker.port, snapshots=True, **mqtt)
        settings = Settings(DeviceSettings("pi-1"), mqtt=mqtt)
        self.outbox = Outbox(folder / "outbox.db", 1000, 3600)
        self.publisher = MqttPublisher(mqtt, None, T, self.outbox, (), lambda _: None, "appliance-pi-1")
        self.reports = Reports(self.publisher, T, settings, "boot-1", folder)
        self._number = 0
        self.use(model, labels)
        self.reports.report_running(True)
        self.reports.report_snapshots(True)
        self.reports.report_collect(False)
        self.reports.report_threshold(0.5)
        self.reports.report_stats(STATS)
        self.update(UpdateStatus())
        self._thread = threading.Thread(target=self.publisher.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.publisher.connected, "the device is connected")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reports.close()
        self.publisher.stop(5)
        self._thread.join(10)
        self.outbox.close()

    def use(self, model, labels):
        self.reports.use_model(model, labels, [True] * len(labels))

    def see(self, *labels, events=()):
        self._number += 1
        number = self._number
        self.reports.report_frame(
            frame(number, 10.0 * number), seen(*labels), 11.0, events, {}, lambda: PICTURE % number
        )

    def update(self, status):
        bundle = read_bundle(BUNDLED)
        self.reports.report_model(describe_model(bundle, status, has_source=True))


@pytest.fixture
def device(home, tmp_path):
    """Return a device with frames that Home Assistant knows."""
    with Device(home[1], tmp_path / "device") as device:
        device.see()
        home[0].wait_for(LABEL, "none")
        yield device
    home[0].wait_for(CAMERA, "unavailable")


@pytest.fixture(autouse=True)
def clean_log(home):
    """Fail if Home Assistant complains about the device during the test."""
    before = len(home[0].complaints("camera_pi_1"))
    yield
    assert home[0].complaints("camera_pi_1")[before:] == []


def test_entities_are_unavailable_without_frames(home, device):
    home, _ = home
    for entity, value in ((LABEL, "none"), (SCORE, "unknown"), (ROSE, "off"), (CAMERA, "streaming")):
        home.wait_for(entity, value)
    device.reports.report_unknown()
    device.reports.report_camera(online=False)
    for entity in (LABEL, SCORE, ROSE):
        home.wait_for(entity, "unavailable")
    assert home.value(CAMERA) == "streaming" and home.value("switch.camera_pi_1_running") == "on"
    device.see("rose")
    home.wait_for(LABEL, "rose")
    home.wait_for(SCORE, "90.0")
    home.wait_for(ROSE, "off")


def test_score_follows_the_frames_and_is_unknown_without_a_label(home, device):
    home, _ = home
    device.see("rose")
    home.wait_for(SCORE, "90.0")
    device.reports.report_frame(frame(50, 500.0), [seen("rose")[0].__class__("rose", 0.51, 0)], 11.0, (), {}, bytes)
    home.wait_for(SCORE, "51.0")
    device.see()
    home.wait_for(SCORE, "unknown")


@pytest.mark.parametrize("label", ["unknown", "None"])
def test_label_with_a_meaning_in_home_assistant_is_shown(home, device, label):
    device.see(label)
    home[0].wait_for(LABEL, f"{label} (label)")


def test_labels_follow_every_change_of_the_model(home, device):
    """From 4 labels to 2, back, to 1,001 and back, as in an installation and a rollback."""
    home, _ = home
    for model, labels in (
        (BIRDS, ["sparrow", "rose"]), (FLOWERS, LABELS), (BIRDS, [f"bird {n}" for n in range(1001)]), (FLOWERS, LABELS),
    ):  # fmt: skip
        device.use(model, labels)
        device.see(labels[0])
        home.wait_for(LABEL, labels[0])
        has_rose = "rose" in labels
        wait_until(lambda has_rose=has_rose: (home.value(ROSE) is not None) == has_rose, "the sensors follow")


def test_restart_with_another_model(home, tmp_path):
    home, broker = home
    with Device(broker, tmp_path / "device", BIRDS, ["sparrow"]) as device:
        device.see("sparrow")
        home.wait_for(LABEL, "sparrow")
    home.wait_for(LABEL, "unavailable")
    with Device(broker, tmp_path / "device") as device:
        device.see("tulip")
        home.wait_for(LABEL, "tulip")
        home.wait_for("binary_sensor.camera_pi_1_sparrow", None)


def test_automation_sees_the_picture_of_its_event(home, device):
    """A binary sensor and the event start automations, which read the picture's time at that moment."""
    home, broker = home
    taken = {"action": "mqtt.publish", "data": {
        "topic": "test/{{ this.attributes.friendly_name }}",
        "payload": "{{ states('image.camera_pi_1_snapshot') }}", "qos": 1,
    }}  # fmt: skip
    home.add_automation(
        "sensor", {"triggers": [{"trigger": "state", "entity_id": ROSE, "to": "on"}], "actions": [taken]}
    )
    home.add_automation(
        "event", {"triggers": [{"trigger": "state", "entity_id": "event.camera_pi_1_event"}], "actions": [taken]}
    )
    home.wait_for("automation.sensor", "on")
    home.wait_for("automation.event", "on")
    with broker.observer("test/#") as observer:
        for count in range(1, 9):
            before = home.value("image.camera_pi_1_snapshot")
            device.see("rose", events=[started("rose", f"id-{count}")])
            seen_by_sensor = observer.wait_for("test/sensor", count=count)[-1].payload.decode()
            seen_by_event = observer.wait_for("test/event", count=2 * count - 1)[-1].payload.decode()
            assert seen_by_sensor == seen_by_event == home.value("image.camera_pi_1_snapshot") != before
            assert home.picture("image.camera_pi_1_snapshot").startswith(PICTURE[:10])
            device.see(events=[ended("rose", f"id-{count}")])
            observer.wait_for("test/event", count=2 * count)
    attributes = home.state(EVENT)["attributes"]
    assert (attributes["label"], attributes["event_type"], attributes["peak_score"]) == ("rose", "ended", 0.95)
    assert attributes["model"] == "flowers 1.0.0" and attributes["started"] and attributes["ended"]


def test_label_template_agrees_with_the_options(home):
    def render(template, **state):
        return home[0].render(template, value_json=state)

    for label in (
        "cat", "unknown", "Unavailable", "none", "None", " cat ", " ", "", "x" * 255, "x" * 256, "猫" * 300, "1e5",
        "null", 'a "quoted" {{ label }} %} \\ é', "true",
    ):  # fmt: skip
        assert render(build_label_template(), label=label) == format_label_state(label)
        assert render(build_label_template(list_label_states([label])), label=label) == format_label_state(label)
    for template in (build_label_template(), build_label_template(["cat", "none"])):
        assert render(template, label=None) == "none"
        assert render(template, label=None, known=False) == "None"  # which the MQTT integration reads as unknown
        assert render(template, label="dog") in ("dog", "None")


def test_trigger_template_fires_for_its_label_and_kind_unless_late(home):
    for label in ("cat", " a b ", 'a "b"', "é"):
        for build, kind in ((build_start_trigger, "started"), (build_end_trigger, "ended")):
            [trigger] = build(T, label, "slug").values()

            def fires(trigger=trigger, **event):
                return home[0].render(trigger["value_template"], value_json=event) == trigger["payload"]

            assert fires(type=kind, label=label)
            assert not fires(type="other", label=label) and not fires(type=kind, label="other")
            assert not fires(type=kind, label=label, late=True)


def test_outcomes_of_updates_are_visible(home, device):
    home, _ = home
    running = read_bundle(BUNDLED).version
    status = UpdateStatus()
    for state, version, reason, value, progress in (
        (UpdateState.AVAILABLE, "9.0", None, "on", False),
        (UpdateState.DOWNLOADING, "9.0", None, "on", True),
        (UpdateState.REFUSED, "9.0", "it crashes", "on", False),
        (UpdateState.PROBATION, running, None, "off", True),
        (UpdateState.ROLLED_BACK, "9.0", "it is slow", "on", False),
        (UpdateState.AVAILABLE, "0.0.1", None, "on", False),
        (UpdateState.AVAILABLE, running, None, "on", False),
        (UpdateState.COMMITTED, running, None, "off", False),
    ):
        status = status.follow(UpdateStep(state, version, "ab", reason))
        device.update(status)
        home.wait_for(STATE, state)
        home.wait_for(MODEL, value)
        attributes = home.state(MODEL)["attributes"]
        assert attributes["in_progress"] is progress, state
        text = reason or "input 0..255 (from the model's quantization)"
        assert attributes["release_summary"] == f"{state}: {text}"
        assert home.state(STATE)["attributes"]["reason"] == text


def test_updates_of_a_running_daemon(home, tmp_path):
    """The whole program with an update source: installed, refused, older, and refused again after a restart."""
    home, broker = home
    model, state = "update.camera_t_model", "sensor.camera_t_update_state"
    first = bundle_folder(tmp_path / "first", version="1.0", model=made_models.good(1), confidenceThreshold=0.0)
    (tmp_path / "daemon" / "state").mkdir(parents=True)
    Store(tmp_path / "daemon" / "state", BUNDLED).install(read_bundle(first), "a test")
    with ModelServer() as server:
        publish(server, tmp_path / "1.0", version="1.0", model=made_models.good(1), confidenceThreshold=0.0)
        url = server.url("/manifest.json")
        more = f'[update]\nsource = "url"\nurl = "{url}"\ninterval_s = 1\nprobation_s = 2\n'
        with Daemon(tmp_path / "daemon", settings(broker, "scene", fps=20, more=more)) as daemon:
            home.wait_for(state, "idle")  # the same version is no update
            home.wait_for(model, "off")
            publish(server, tmp_path / "2.0", version="2.0", model=made_models.good(2), confidenceThreshold=0.0)
            home.wait_for(state, "probation")
            assert home.state(model)["attributes"]["in_progress"] is True
            home.wait_for(state, "committed")
            assert home.state(model)["attributes"]["installed_version"] == "2.0"
            publish(server, tmp_path / "3.0", version="3.0", model=b"no model" * 100)
            home.wait_for(state, "refused")
            daemon.stop()
            home.wait_for(model, "unavailable")
            daemon.start()
            home.wait_for(state, "refused")
            home.call("update.install", model)
            daemon.wait_for_log("command install: 'latest'")
            home.wait_for(state, "refused")
            assert (home.value(model), home.state(model)["attributes"]["latest_version"]) == ("on", "3.0")
            publish(server, tmp_path / "1.5", version="1.5", model=made_models.good(3), confidenceThreshold=0.0)
            home.wait_for(state, "passed_over")
            assert home.state(model)["attributes"]["latest_version"] == "1.5 (older)"
    assert home.complaints("camera_t_") == []


def test_leftovers_of_a_lost_state_folder_disappear(home, tmp_path):
    home, broker = home
    with Device(broker, tmp_path / "card-1", BIRDS, ["daisy", "rose"]) as device:
        device.see("daisy", events=[started("daisy")])
        home.wait_for("binary_sensor.camera_pi_1_daisy", "on")
    with Device(broker, tmp_path / "card-2") as device, broker.observer(f"{T.root}/#") as observer:
        device.see()
        found = {message.topic for message in observer.wait_for(T.label("daisy"))} | {T.picture("daisy")}
        assert device.reports.clear_leftovers(found)
        home.wait_for("binary_sensor.camera_pi_1_daisy", None)
        observer.wait_for(T.label("daisy"), b"")


def test_optional_entities_are_disabled_and_work_when_enabled(home, device):
    home, _ = home
    ids = {"pi-1_count_rose": "1", "pi-1_seen_rose": None, "pi-1_picture_rose": None}
    registry = home.registry()
    assert all(registry[each]["disabled_by"] == "integration" for each in ids)
    entities = [registry[each]["entity_id"] for each in ids]
    for entity in entities:
        home.command("config/entity_registry/update", entity_id=entity, disabled_by=None)
    wait_until(lambda: all(home.value(entity) is not None for entity in entities), "the entities are enabled", 60)
    device.see("rose", events=[started("rose")])
    home.wait_for(entities[0], "1")
    home.wait_for(entities[1], "2026-01-01T12:00:00+00:00")
    wait_until(lambda: home.picture(entities[2]).startswith(PICTURE[:10]), "the picture is shown")


def test_device_triggers_fire_for_their_label(home, device):
    home, broker = home
    [entry] = [each for each in home.command("config/device_registry/list") if each["name"] == "Camera pi-1"]
    triggers = home.command("device_automation/trigger/list", device_id=entry["id"])
    offered = {(each["type"], each["subtype"]) for each in triggers if each["domain"] == "mqtt"}
    assert offered == {(kind, label) for kind in ("started", "ended") for label in LABELS}
    trigger = {"trigger": "device", "domain": "mqtt", "device_id": entry["id"], "type": "started", "subtype": "tulip"}
    action = {"action": "mqtt.publish", "data": {"topic": "test/device", "payload": "fired", "qos": 1}}
    home.add_automation("device", {"triggers": [trigger], "actions": [action]})
    home.wait_for("automation.device", "on")
    with broker.observer("test/#") as observer:
        device.see("rose", events=[started("rose")])
        device.see("tulip", events=[started("tulip")])
        observer.wait_for("test/device")
        device.see(events=[ended("tulip")])
        home.wait_for("binary_sensor.camera_pi_1_tulip", "off")
        assert observer.count("test/device") == 1


def test_switches_and_buttons_send_the_commands(home, device):
    home, broker = home
    with broker.observer(f"{T.root}/#") as observer:
        home.call("switch.turn_off", "switch.camera_pi_1_snapshots")
        home.call("switch.turn_on", "switch.camera_pi_1_collect_pictures")
        home.call("button.press", "button.camera_pi_1_reset_the_threshold")
        home.call("update.install", MODEL) if home.value(MODEL) == "on" else None
        observer.wait_for(T.snapshots_set, b"OFF")
        observer.wait_for(T.collect_set, b"ON")
        observer.wait_for(T.threshold_set, b"default")
    device.reports.report_snapshots(False)
    home.wait_for("switch.camera_pi_1_snapshots", "off")


def read_blueprint():
    """Return the blueprint in the manual."""
    text = (ROOT / "appliance/docs/home-assistant.md").read_text()
    return text.split("```yaml\n", 1)[1].split("```", 1)[0]


def test_blueprint_notifies_with_the_picture(home, device):
    home, broker = home
    home.command("blueprint/save", domain="automation", path="camera-appliance/notify.yaml", yaml=read_blueprint(),
                 allow_override=True)  # fmt: skip
    action = {"action": "mqtt.publish", "data": {
        "topic": "test/notify", "payload": "{{ label }} {{ picture }}", "qos": 1}}  # fmt: skip
    home.add_automation("notify", {"use_blueprint": {
        "path": "camera-appliance/notify.yaml",
        "input": {"event": EVENT, "image": "image.camera_pi_1_snapshot", "labels": ["rose"],
                  "actions": [action]},
    }})  # fmt: skip
    home.wait_for("automation.notify", "on")
    with broker.observer("test/#") as observer:
        device.see("tulip", events=[started("tulip", "id-1")])
        device.see("rose", events=[started("rose", "id-2")])
        [message] = observer.wait_for("test/notify")
        label, picture = message.payload.decode().split(" ")
        assert label == "rose" and picture.startswith("/api/image_proxy/image.camera_pi_1_snapshot")
