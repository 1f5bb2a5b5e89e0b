"""Test which picture is sent, and when it no longer precedes its event."""

from appliance.messaging.mqtt.message import Outgoing
from appliance.messaging.pictures import FRESH_S, PictureMessage, PictureQueue


def picture(*ids, topic="T/snapshot"):
    return PictureMessage(Outgoing(topic, b"jpeg", 0, retain=True), frozenset(ids))


def test_picture_is_found_for_its_events_while_it_is_fresh():
    queue, one = PictureQueue(), picture("a", "b")
    queue.add(one, 10.0)
    assert queue.find("b", 10.0 + FRESH_S) is one
    assert queue.find("b", 10.1 + FRESH_S) is None
    assert queue.find("c", 10.0) is None


def test_sent_picture_replaces_older_ones_of_its_topic():
    queue, older, newer, newest = PictureQueue(), picture("a"), picture("b"), picture("c")
    of_label = picture(topic="T/picture/rose")
    for each in (older, newer, newest, of_label):
        queue.add(each, 0.0)
    queue.note_sent(newer)
    assert queue.is_shown("b") and not queue.is_shown("a")
    assert list(queue.iterate_newest()) == [of_label, newest] or list(queue.iterate_newest()) == [newest, of_label]
    assert queue.find("a", 0.0) is None


def test_only_the_newest_picture_of_a_topic_outlasts_the_connection():
    queue = PictureQueue()
    for id in "abcdef":
        queue.add(picture(id), 0.0)
    queue.note_sent(queue.find("c", 0.0))
    queue.handle_disconnect()
    assert not queue.is_shown("c")
    assert [each.events for each in queue.iterate_newest()] == [{"f"}]
    assert queue.find("f", 0.0) is None


def test_cleared_topic_gets_no_picture_that_waited():
    queue = PictureQueue()
    queue.add(picture("a"), 0.0)
    queue.remove("T/snapshot")
    assert list(queue.iterate_newest()) == []
