"""Open events: noted with starts and ends, read back row by row."""

from appliance.messaging.outbox.open_events import OpenEvents
from appliance.messaging.outbox.unwritten import UnwrittenChanges


def check_label(payload):
    payload["label"].upper()


def test_start_opens_and_end_closes_an_event():
    unwritten = UnwrittenChanges()
    open_events = OpenEvents(unwritten)
    open_events.note({"type": "started", "id": "a"}, '{"id":"a"}')
    open_events.note({"type": "started", "id": "b"}, '{"id":"b"}')
    open_events.note({"type": "ended", "id": "a"}, "{}")
    open_events.note({"state": "committed"}, "{}")
    assert open_events.read(dict) == ([{"id": "b"}], [])
    assert (unwritten.opened, list(unwritten.ended)) == ({"b": '{"id":"b"}'}, ["a"])


def test_unreadable_row_is_reported_once_and_the_rest_is_used():
    unwritten = UnwrittenChanges()
    open_events = OpenEvents(unwritten)
    rows = [(b"x", b"{broken"), (b"\xff", b"{}"), (b"a", b'{"id":"a","label":"rose"}')]
    assert len(open_events.add_stored(rows)) == 2
    assert open_events.add_stored(rows) == []
    assert open_events.read(check_label)[0] == [{"id": "a", "label": "rose"}]
    assert unwritten.set_aside_open.keys() == {b"x", b"\xff"}


def test_payload_that_the_caller_cannot_use_is_set_aside():
    unwritten = UnwrittenChanges()
    open_events = OpenEvents(unwritten)
    open_events.add_stored([(b"a", b'{"id":"a","label":["rose"]}'), (b"b", b'{"id":"b","label":"rose"}')])
    usable, reasons = open_events.read(check_label)
    assert [payload["id"] for payload in usable] == ["b"]
    assert "AttributeError" in reasons[0] and unwritten.set_aside_open.keys() == {b"a"}
    assert open_events.read(check_label)[1] == []
