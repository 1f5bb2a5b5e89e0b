"""Rows that are read back from the file: what is accepted, and why the rest is not."""

import json
import math

import pytest

from appliance.messaging.outbox.stored_rows import (
    OutboxEvent,
    UnreadableRow,
    UnreadableRowError,
    parse_event_row,
    parse_open_row,
)

TOPIC = b"appliance/t/event"


def test_sound_row_is_an_event():
    assert parse_event_row((7, TOPIC, '{"label":"½"}'.encode(), 1.5, None)) == OutboxEvent(
        7, "appliance/t/event", '{"label":"½"}', 1.5, None
    )


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{broken", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":1e999}', "not JSON"),
        (b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", "too deeply"),
        (b'{"a":' + b"1" * 5000 + b"}", "not JSON"),
        (None, "not text"),
        (7, "not text"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_payload_that_cannot_be_sent_is_named(payload, why):
    row = parse_event_row((7, TOPIC, payload, 1.5, None))
    assert isinstance(row, UnreadableRow)
    assert row.id == 7 and why in row.why


@pytest.mark.parametrize("topic", [b"", b"a/#", b"a/+/b", b"a\x00", b"\xe4", None, 3, b"t" * 70_000])
def test_topic_that_no_broker_accepts_is_unreadable(topic):
    assert "its topic" in parse_event_row((7, topic, b"{}", 1.5, None)).why


@pytest.mark.parametrize("time_s", [None, b"x", math.inf, math.nan, 1e300])
def test_time_that_is_no_time_is_unreadable(time_s):
    assert "its time" in parse_event_row((7, TOPIC, b"{}", time_s, None)).why


@pytest.mark.parametrize("born_s", [b"x", math.inf, math.nan])
def test_time_since_boot_that_is_no_time_counts_as_unknown(born_s):
    assert parse_event_row((7, TOPIC, b"{}", 1.5, born_s)).born_s is None


def test_address_changes_topic_and_payload_of_a_row():
    def address(topic, payload):
        return "new/event", {**payload, "former_device": "old"}

    event = parse_event_row((7, TOPIC, b'{"a":1}', 1.5, None), address)
    assert (event.topic, json.loads(event.payload)) == ("new/event", {"a": 1, "former_device": "old"})


@pytest.mark.parametrize("row", [(b"a", b"{broken"), (b"a", b'{"id":"b"}'), (b"\xff", b"{}"), (None, b"{}"), (b"a", 5)])
def test_open_event_that_cannot_be_read_is_refused(row):
    assert parse_open_row((b"a", b'{"id":"a"}')) == ("a", '{"id":"a"}')
    with pytest.raises(UnreadableRowError):
        parse_open_row(row)
