"""Test the topics of each label."""

import pytest

from appliance.messaging.label_counts import LabelCounts
from appliance.messaging.label_topics import LabelTopics, select_watched
from appliance.messaging.topics import Topics
from support.messaging import NOON, MemorySink, ended, started

T = Topics("appliance", "pi-1")


@pytest.fixture
def sink():
    return MemorySink()


@pytest.fixture
def topics(sink, tmp_path):
    made = LabelTopics(sink, T, LabelCounts(tmp_path / "today.json", lambda: NOON))
    made.use_labels(["cat", "dog"], select_watched(["cat", "dog"], [True, True], ()))
    made.publish()
    return made


def test_event_updates_switch_count_and_time(topics, sink):
    topics.record(started("cat"))
    assert (sink.last(T.label("cat")), sink.last(T.today("cat"))) == ("ON", "1")
    topics.record(ended("cat", until_s=5.0))
    assert (sink.last(T.label("cat")), sink.last(T.last_seen("cat"))) == ("OFF", "2026-01-01T12:00:05.000Z")
    assert (sink.last(T.today("dog")), T.last_seen("dog") in sink.retained) == ("0", False)


def test_picture_is_the_last_one_of_its_label(topics, sink):
    topics.publish_picture(["cat", "unwatched"], b"\xff\xd8 1")
    assert sink.retained[T.picture("cat")] == b"\xff\xd8 1" and T.picture("dog") not in sink.retained
    topics.clear_pictures()
    assert T.picture("cat") not in sink.retained


def test_published_topics_are_all_listed(topics, sink):
    topics.record(started("cat"))
    topics.record(ended("cat"))
    topics.publish_picture(["cat"], b"x")
    assert set(sink.retained) <= topics.list_topics()


def test_large_model_with_allowed_labels_has_only_switches(sink, tmp_path):
    labels = [f"label {number}" for number in range(100)]
    topics = LabelTopics(sink, T, LabelCounts(tmp_path / "today.json", lambda: NOON))
    topics.use_labels(labels, select_watched(labels, [True] * 100, ["label 7"]))
    topics.publish()
    topics.record(started("label 7"))
    topics.publish_picture(["label 7"], b"x")
    assert sink.retained == {T.label("label_7"): "ON"}
    assert select_watched(labels, [True] * 100, ()).slugs == {}


def test_counts_start_at_0_on_a_new_day(sink, tmp_path):
    now = [NOON]
    topics = LabelTopics(sink, T, LabelCounts(tmp_path / "today.json", lambda: now[0]))
    topics.use_labels(["cat"], select_watched(["cat"], [True], ()))
    topics.record(started("cat"))
    topics.begin_day()
    assert sink.last(T.today("cat")) == "1"
    now[0] += 86_400
    topics.begin_day()
    assert sink.last(T.today("cat")) == "0"
