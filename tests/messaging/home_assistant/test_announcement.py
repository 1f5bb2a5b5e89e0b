"""Test the announcement: before the states, which follow again, and what it clears and removes."""

import json

from appliance.messaging.home_assistant.announcement import Announcement
from appliance.messaging.home_assistant.discovery import DeviceDescription, WatchedLabels
from appliance.messaging.topics import Topics
from support.messaging import ManualTimers, MemorySink

T = Topics("appliance", "pi-1")
ROSE = WatchedLabels({"rose": "rose"}, True)
BIRD = WatchedLabels({"bird": "bird"}, True)


class Slow(MemorySink):
    """A sink whose connection does not deliver yet."""

    pending = True

    def is_pending(self, topic):
        return self.pending


class Run:
    """An announcement with timers that the test advances."""

    def __init__(self, folder, sink=None, enabled=True):
        self.sink, self.timers, self.repeated = sink or MemorySink(), ManualTimers(), []
        self.announcement = Announcement(
            self.sink, T, DeviceDescription("Camera"), folder, lambda: self.repeated.append(self.timers.now_s),
            self.timers.start, enabled=enabled,
        )  # fmt: skip

    def use(self, watched):
        topics = {T.label(slug) for slug in watched.slugs.values()}
        return self.announcement.use_labels(watched, topics)

    @property
    def components(self):
        return json.loads(self.sink.retained[T.discovery])["components"]


def test_announcement_is_sent_at_once_and_states_follow_again(tmp_path):
    run = Run(tmp_path)
    assert run.use(ROSE) == [] and "label_rose" in run.components
    assert run.repeated == []
    run.timers.advance(3)
    assert len(run.repeated) == 1
    run.timers.advance(100)
    assert len(run.repeated) == 1


def test_states_wait_until_the_announcement_has_arrived(tmp_path):
    run = Run(tmp_path, Slow())
    run.use(ROSE)
    run.timers.advance(100)
    assert run.repeated == []
    run.sink.pending = False
    run.timers.advance(60)
    assert len(run.repeated) == 1


def test_former_topics_are_returned_after_a_restart(tmp_path):
    Run(tmp_path).use(ROSE)
    run = Run(tmp_path)
    assert run.use(BIRD) == [T.label("rose")]
    assert run.components["label_rose"] == {"platform": "binary_sensor"}
    assert run.components["started_rose"] == {"platform": "device_automation"}


def test_leftover_labels_are_removed_from_home_assistant(tmp_path):
    run = Run(tmp_path)
    run.use(ROSE)
    run.announcement.remove_labels([T.label("daisy"), T.label("rose"), T.picture("daisy")])
    run.timers.advance(10)
    assert run.components["label_daisy"] == {"platform": "binary_sensor"}
    assert run.components["label_rose"]["name"] == "rose"


def test_switched_off_discovery_clears_an_earlier_announcement(tmp_path):
    Run(tmp_path).use(ROSE)
    run = Run(tmp_path, enabled=False)
    run.use(ROSE)
    assert run.sink.messages == [(T.discovery, None)]
    run.announcement.remove_labels([T.label("daisy")])
    run.timers.advance(100)
    assert run.repeated == [] and run.sink.messages == [(T.discovery, None)]


def test_stop_cancels_the_repetition(tmp_path):
    run = Run(tmp_path)
    run.use(ROSE)
    run.announcement.stop()
    run.timers.advance(100)
    assert run.repeated == []


def test_labels_without_an_entity_are_logged_once(tmp_path, caplog):
    run = Run(tmp_path)
    for _ in range(2):
        run.use(WatchedLabels({f"label {number}": f"label_{number}" for number in range(500)}))
        run.timers.advance(10)
    assert caplog.text.count("have no entity in Home Assistant") == 1
