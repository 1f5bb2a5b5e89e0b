"""Test the device's reports: which topic, when, and what stays on the broker."""

import json

import pytest

from appliance.bundle.identity import ModelIdentity
from appliance.errors import MessagingError, PictureError
from appliance.labeling.tracker import EventProgress
from appliance.messaging.device_payloads import ModelPayload, UpdatePayload
from appliance.messaging.reports import Reports
from appliance.messaging.topics import Topics
from appliance.settings.schema import DeviceSettings, LabelerSettings, MqttSettings, Settings
from appliance.system.timestamps import parse_rfc3339
from support.messaging import (
    FLOWERS,
    NOON,
    STATS,
    ManualTimers,
    MemorySink,
    ended,
    frame,
    seen,
    started,
)

T = Topics("appliance", "pi-1")
OTHER = ModelIdentity("birds", "2.0", "cd" * 32)
LABELS = ["rose", "tulip", "Crème"]


class Device:
    """Reports with a sink in memory; `again()` is the same device after its process died."""

    def __init__(self, folder, allow=(), name=None, sink=None, **mqtt):
        self.folder = folder
        labeler = LabelerSettings(allow=allow)
        self.settings = Settings(DeviceSettings("pi-1", name), labeler=labeler, mqtt=MqttSettings(**mqtt))
        self.sink = sink or MemorySink()
        self.timers = ManualTimers()
        self.reports = Reports(self.sink, T, self.settings, "boot-1", folder, lambda: NOON, self.timers.start)

    def again(self, **mqtt):
        device = Device(self.folder, self.settings.labeler.allow, sink=self.sink, **mqtt)
        self.sink.messages.clear()
        return device

    def model(self, model=FLOWERS, labels=LABELS, reportable=None):
        self.reports.use_model(model, labels, [True] * len(labels) if reportable is None else reportable)

    def frame(self, number=1, at_s=0.0, labels=(), events=(), peaks=None, jpeg=lambda: b"\xff\xd8 jpeg"):
        progress = {key: EventProgress(peak, at_s) for key, peak in (peaks or {}).items()}
        self.reports.report_frame(frame(number, at_s), seen(*labels), 11.0, events, progress, jpeg)

    def label_topics(self):
        prefix = T.label("")
        return {
            topic.removeprefix(prefix): value for topic, value in self.sink.retained.items() if topic.startswith(prefix)
        }

    def components(self):
        self.timers.advance(10)
        return self.sink.last(T.discovery)["components"]


@pytest.fixture
def device(tmp_path):
    made = Device(tmp_path)
    made.model()
    return made


# T/labels


@pytest.mark.parametrize(
    ("fps", "rate", "expected"),
    [(5, 1.0, 10), (30, 1.0, 10), (7, 2.0, 20), (0.5, 1.0, 5), (5, 0.25, 3), (5, 100.0, 50)],
)
def test_labels_come_at_the_rate_that_was_asked_for_at_the_most(tmp_path, fps, rate, expected):
    device = Device(tmp_path, labels_per_s=rate)
    device.model()
    for number in range(int(10 * fps)):
        device.frame(number + 1, number / fps + 0.001 * (number % 3), ["rose"])
    assert len(device.sink.on(T.labels)) in (expected, expected - 1)


def test_labels_after_a_pause_do_not_come_in_a_burst(device):
    device.frame(1, 0.0)
    for number in range(10):
        device.frame(number, 100 + number * 0.09)
    assert len(device.sink.on(T.labels)) == 2


def test_labels_can_be_switched_off(tmp_path):
    device = Device(tmp_path, labels_per_s=0)
    device.model()
    device.frame(1, 0.0, ["rose"])
    assert device.sink.on(T.labels) == []
    assert device.sink.last(T.state)["label"] == "rose"


def test_labels_name_their_frame_and_model(device):
    device.frame(42, 1.5, ["tulip"])
    [payload] = device.sink.on(T.labels)
    assert (payload["frame"], payload["time"], payload["inference_ms"]) == (42, "2026-01-01T12:00:01.500Z", 11.0)
    assert payload["labels"] == [{"label": "tulip", "score": 0.9}]
    assert payload["model"] == {"name": "flowers", "version": "1.0.0"}


def test_new_rate_of_labels_applies_at_once(tmp_path):
    device = Device(tmp_path, labels_per_s=0.1)
    device.model()
    for number in range(10):
        device.frame(number, number / 5)
    assert len(device.sink.on(T.labels)) == 1
    device.reports.limit_labels(10.0)
    for number in range(10, 20):
        device.frame(number, number / 5)
    assert len(device.sink.on(T.labels)) == 11
    device.reports.limit_labels(0)
    device.frame(20, 4.0)
    assert len(device.sink.on(T.labels)) == 11


# T/state


def test_state_is_sent_when_what_is_seen_changes_and_only_then(device):
    sights = [[], ["rose"], ["rose"], ["rose", "tulip"], ["tulip", "rose"], ["tulip", "rose"], []]
    for number, labels in enumerate(sights):
        device.frame(number, 0.2 * number, labels)
    states = [(state["label"], state.get("known", True)) for state in device.sink.on(T.state)]
    assert states == [(None, False), (None, True), ("rose", True), ("rose", True), ("tulip", True), (None, True)]


def test_state_is_empty_at_the_start(tmp_path):
    device = Device(tmp_path)
    device.sink.retained[T.state] = b'{"label":"rose"}'
    device.model()
    assert device.sink.last(T.state)["label"] is None
    assert device.sink.last(T.state)["model"]["name"] == "flowers"


def test_state_names_the_new_model_after_a_swap(device):
    device.frame(1, 0, ["rose"])
    device.model(OTHER)
    assert device.sink.last(T.state)["model"] == {"name": "birds", "version": "2.0"}


def test_nothing_is_seen_while_running_is_off(device):
    device.frame(1, 0, ["rose"])
    device.reports.report_running(False)
    assert device.sink.last(T.running) == "OFF"
    assert device.sink.last(T.state)["label"] is None
    device.frame(2, 5, ["rose"])  # a frame that was already in the pipeline
    assert device.sink.last(T.state)["label"] is None
    assert len(device.sink.on(T.labels)) == 1
    device.reports.report_running(True)
    device.frame(3, 9, ["rose"])
    assert device.sink.last(T.running) == "ON"
    assert device.sink.last(T.state)["label"] == "rose"


def label_and_known(device):
    state = device.sink.last(T.state)
    return state["label"], state.get("known", True)


def test_state_is_unknown_without_camera_or_labeling(device):
    assert label_and_known(device) == (None, False)
    device.frame(1, 0, ["rose"])
    assert label_and_known(device) == ("rose", True)
    device.reports.report_unknown()
    assert label_and_known(device) == (None, False)
    device.frame(2, 1, [])
    assert label_and_known(device) == (None, True)
    device.reports.report_running(False)
    assert label_and_known(device) == (None, False)
    device.reports.report_running(True)
    device.frame(3, 2, ["rose"])
    device.reports.close()
    assert label_and_known(device) == (None, False)


def test_swap_without_frames_leaves_the_state_unknown(device):
    device.model(OTHER)
    assert label_and_known(device) == (None, False)


def test_camera_is_online_from_the_first_frame_until_it_is_lost(device):
    assert device.sink.on(T.camera) == ["offline"]
    device.frame(1, 0, ["rose"])
    device.frame(2, 1, ["rose"])
    device.model(OTHER)
    device.reports.report_camera(online=False)
    device.reports.report_camera(online=True)
    device.reports.close()
    assert device.sink.on(T.camera) == ["offline", "online", "offline", "online", "offline"]
    assert device.sink.retained[T.camera] == "offline"


def test_state_is_in_place_before_the_camera_comes_online(device):
    device.frame(1, 0, ["rose"])
    topics = [topic for topic, _ in device.sink.messages]
    assert topics[-1] == T.camera
    assert T.state in topics[-3:]


# T/event and T/label/<slug>


def test_an_event_is_durable_and_switches_its_label(device):
    assert device.label_topics() == {"rose": "OFF", "tulip": "OFF", "creme": "OFF"}
    device.frame(1, 0, ["Crème"], [started("Crème")], {"id-1": 0.9})
    assert device.label_topics()["creme"] == "ON"
    device.frame(2, 5, [], [ended("Crème")])
    assert device.label_topics()["creme"] == "OFF"
    start, end = device.sink.on(T.event)
    assert (start["type"], start["seq"], start["boot"], start["device"]) == ("started", 1, "boot-1", "pi-1")
    assert (end["type"], end["seq"], end["peak_score"], end["id"]) == ("ended", 2, 0.95, start["id"])


def test_events_that_a_stop_ended(device):
    device.frame(1, 0, ["rose"], [started("rose")], {"id-1": 0.9})
    device.reports.report_ended([ended("rose", reason="stop")])
    assert device.sink.on(T.event)[-1]["reason"] == "stop"
    assert device.label_topics()["rose"] == "OFF"
    assert device.sink.last(T.state)["label"] is None


def test_label_topics_exist_up_to_32_labels(tmp_path):
    device = Device(tmp_path)
    device.model(labels=[f"label {number}" for number in range(32)])
    assert len(device.label_topics()) == 32
    device.model(OTHER, [f"label {number}" for number in range(33)])
    assert device.label_topics() == {}
    device.frame(1, 0, ["label 1"], [started("label 1")], {"id-1": 0.9})
    assert device.label_topics() == {}
    assert len(device.sink.on(T.event)) == 1


def test_allowed_labels_have_a_topic_in_a_model_of_any_size(tmp_path):
    device = Device(tmp_path, allow=("label 500", "Label 7"))
    labels = [f"label {number}" for number in range(1000)]
    labels[8] = "Label 7"
    device.model(labels=labels, reportable=[label in ("label 500", "Label 7") for label in labels])
    assert device.label_topics() == {"label_500": "OFF", "label_7_8": "OFF"}
    assert device.components()["top_label"]["options"] == ["Label 7", "label 500", "none"]


def test_labels_that_are_never_reported_have_no_topic(tmp_path):
    device = Device(tmp_path)
    device.model(reportable=[True, False, True])
    assert set(device.label_topics()) == {"rose", "creme"}
    assert "label_tulip" not in device.components()


def test_a_swap_clears_the_topics_of_labels_that_are_no_more(device):
    device.frame(1, 0, ["rose"], [started("rose")], {"id-1": 0.9})
    device.model(OTHER, ["rose", "sparrow"])
    assert device.label_topics() == {"rose": "ON", "sparrow": "OFF"}
    assert device.sink.on(T.label("tulip")) == ["OFF", None]


def test_another_model_after_a_restart_clears_old_topics(device):
    device = device.again()
    device.model(OTHER, ["sparrow"])
    assert device.label_topics() == {"sparrow": "OFF"}


def test_same_model_again_publishes_nothing(device):
    before = len(device.sink.messages)
    device.model()
    assert len(device.sink.messages) == before


# Restart


def restarted(device, tear=None):
    """Return a device whose process died during an event and was started again."""
    device.frame(1, 0.0, ["rose"], [started("rose")], {"id-1": 0.9})
    device.frame(2, 0.2, ["rose"], [], {"id-1": 0.97})
    device.frame(3, 0.4, ["rose"], [], {"id-1": 0.97})
    open_events = device.sink.on(T.event)
    if tear:
        tear(device.folder / "last-frame")
    device = device.again()
    device.reports.end_unfinished(open_events)
    device.model()
    return open_events[0], device.sink.on(T.event), device


def test_event_of_a_dead_process_ends_with_its_last_frame(device):
    start, [end], device = restarted(device)
    assert (end["type"], end["reason"], end["id"]) == ("ended", "restart", start["id"])
    assert (end["started"], end["ended"], end["peak_score"]) == (start["started"], "2026-01-01T12:00:00.400Z", 0.97)
    assert end["seq"] == 1
    assert device.label_topics()["rose"] == "OFF"
    # The age counts from that time, so after a long time without power the event is delivered as late.
    assert device.sink.event_times[-1] == parse_rfc3339(end["ended"])


def test_a_torn_record_of_the_last_frame_leaves_the_one_before(device):
    def tear(file):
        content = bytearray(file.read_bytes())
        content[65536 + 30] ^= 0xFF
        file.write_bytes(content)

    _, [end], _ = restarted(device, tear)
    assert end["ended"] == "2026-01-01T12:00:00.200Z"


def test_without_the_record_the_end_is_the_start(device):
    start, [end], _ = restarted(device, lambda file: file.unlink())
    assert (end["ended"], end["peak_score"]) == (start["started"], 0.9)


def test_a_state_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    device = Device(tmp_path / "missing")
    device.model()
    device.frame(1, 0, ["rose"], [started("rose")], {"id-1": 0.9})
    assert device.label_topics()["rose"] == "ON"
    assert [record.levelname for record in caplog.records].count("WARNING") == 3  # one for each file


def test_a_damaged_memory_of_what_was_announced_stops_nothing(device, caplog):
    for content in ("", "[]", '{"topics": 1}', "{"):
        (device.folder / "announced.json").write_text(content)
        device = device.again()
        device.model()
        assert "stay on the broker" in caplog.text
        caplog.clear()


# Snapshots


def never():
    raise AssertionError("no picture was asked for")


def test_no_picture_is_made_or_kept_where_snapshots_are_off(tmp_path):
    device = Device(tmp_path)
    device.sink.retained[T.snapshot] = b"an old picture"
    device.model()
    device.frame(1, 0, ["rose"], [started("rose")], {"id-1": 0.9}, never)
    assert T.snapshot not in device.sink.retained


def test_a_picture_comes_with_each_start_where_snapshots_are_on(tmp_path):
    device = Device(tmp_path, snapshots=True)
    device.model()
    device.frame(1, 0, [], (), {}, never)
    device.frame(2, 1, ["rose"], [started("rose")], {"id-1": 0.9})
    device.frame(3, 2, [], [ended("rose")], {}, never)
    assert device.sink.on(T.snapshot) == [b"\xff\xd8 jpeg"]


def test_a_picture_comes_on_command(device):
    first, second = device.reports.request_snapshot(), device.reports.request_snapshot()
    device.frame(1, 0)
    assert first.result(0) is second.result(0) is None
    device.frame(2, 1, jpeg=never)
    assert device.sink.last(T.snapshot) == b"\xff\xd8 jpeg"


def test_picture_names_its_events_which_state_that_it_was_taken(tmp_path):
    device = Device(tmp_path, snapshots=True)
    device.model()
    device.frame(1, 1.5, ["rose"], [started("rose", "a"), started("tulip", "b"), ended("Crème", "c")])
    [(_, properties, ids)] = [shown for shown in device.sink.shown if shown[0] == T.snapshot]
    assert ids == ("a", "b")
    assert properties == {"event": "b", "label": "tulip", "time": "2026-01-01T12:00:01.500Z"}
    assert [event.get("snapshot") for event in device.sink.on(T.event)] == [True, True, None]
    order = [topic for topic, _ in device.sink.messages]
    assert order.index(T.snapshot) < order.index(T.event) < len(order) - order[::-1].index(T.label("rose"))


def test_event_states_that_its_picture_could_not_be_taken(tmp_path):
    def fail():
        raise PictureError("the frame cannot be encoded")

    device = Device(tmp_path, snapshots=True)
    device.model()
    device.frame(1, 0, ["rose"], [started("rose")], jpeg=fail)
    assert [event["snapshot"] for event in device.sink.on(T.event)] == [False]


def test_snapshot_that_fails_is_answered(device):
    unanswered = device.reports.request_snapshot()
    device.timers.advance(11)
    with pytest.raises(MessagingError, match="no frame arrived within 10 s"):
        unanswered.result(0)
    device.frame(1, 0, jpeg=never)

    def fails():
        raise PictureError("the picture is too wide")

    broken = device.reports.request_snapshot()
    device.frame(2, 1, jpeg=fails)
    with pytest.raises(PictureError):
        broken.result(0)
    stopped = device.reports.request_snapshot()
    device.reports.close()
    with pytest.raises(MessagingError):
        stopped.result(0)


# Discovery


def test_the_device_is_announced_with_its_name(tmp_path):
    for name, shown in ((None, "Camera pi-1"), ("Front door", "Front door")):
        device = Device(tmp_path, name=name)
        device.model()
        device.timers.advance(10)
        assert device.sink.last(T.discovery)["device"]["name"] == shown


def test_a_swap_announces_anew_and_takes_away_what_is_no_more(device):
    assert device.components()["top_label"]["options"] == [*LABELS, "none"]
    device.model(OTHER, ["rose", "sparrow"])
    components = device.components()
    assert components["label_tulip"] == components["label_creme"] == {"platform": "binary_sensor"}
    assert components["top_label"]["options"] == ["rose", "sparrow", "none"]
    device.model()
    components = device.components()
    assert components["label_sparrow"] == {"platform": "binary_sensor"}
    assert components["label_tulip"]["state_topic"] == T.label("tulip")


def test_another_model_after_a_restart_removes_components(device):
    device.components()
    device = device.again()
    device.model(OTHER, [f"label {number}" for number in range(100)])
    components = device.components()
    assert components["label_rose"] == {"platform": "binary_sensor"}
    assert "options" not in components["top_label"]


def test_home_assistant_online_is_answered_with_the_announcement(device):
    device.timers.advance(10)
    for payload in (b"offline", b"", b"online"):
        device.reports.handle_homeassistant_status(payload)
        device.timers.advance(10)
    assert len(device.sink.on(T.discovery)) == 2
    device.reports.close()
    device.reports.handle_homeassistant_status(b"online")
    device.timers.advance(60)
    assert len(device.sink.on(T.discovery)) == 2


def test_switching_discovery_off_clears_the_announcement(device):
    device.components()
    device = device.again(discovery=False)
    device.model()
    device.timers.advance(60)
    assert device.sink.on(T.discovery) == [None]
    device.reports.handle_homeassistant_status(b"online")
    device = device.again(discovery=False)
    device.model()
    device.timers.advance(60)
    assert device.sink.on(T.discovery) == []


# The rest


def test_values_that_stand_alone(device):
    device.reports.report_threshold(0.1 + 0.2)
    assert device.sink.last(T.threshold) == "0.3"
    device.reports.report_model(ModelPayload("1.0", "1.1", "flowers"))
    assert device.sink.last(T.model)["latest_version"] == "1.1"
    device.reports.report_stats(STATS)
    assert device.sink.last(T.stats) == STATS.as_dict()
    device.reports.report_update(UpdatePayload("available", "1.1", "ab"))
    assert device.sink.on(T.update) == [UpdatePayload("available", "1.1", "ab").as_dict()]


def test_the_memory_on_disk_is_small_and_plain(device):
    device.components()
    assert T.label("rose") in json.loads((device.folder / "announced.json").read_text())["topics"]


# Leftovers


def test_leftovers_are_cleared_and_leave_home_assistant(tmp_path):
    device = Device(tmp_path)
    assert not device.reports.clear_leftovers([T.label("daisy")])  # the labels are not known yet
    device.model()
    found = [T.label("daisy"), T.label("rose"), T.picture("daisy"), T.state, T.camera, T.threshold_set, T.today("rose")]
    device.sink.messages.clear()
    assert device.reports.clear_leftovers(found)
    cleared = [topic for topic, payload in device.sink.messages if payload is None]
    assert cleared == [T.label("daisy"), T.picture("daisy")]
    assert device.components()["label_daisy"] == {"platform": "binary_sensor"}
