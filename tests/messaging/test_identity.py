"""The names of the device's topics: a change is noticed once, and waiting events follow it."""

import json
import zlib

import pytest

from appliance.messaging.identity import FILE_NAME, FormerIdentity, IdentityFile, decode_topics, make_address
from appliance.messaging.outbox.stored_rows import UnreadableRowError
from appliance.messaging.topics import Topics

OLD, NEW = Topics("appliance", "old"), Topics("site/a", "new", "ha")
LABEL = OLD.label("rose")


def test_first_start_and_the_same_names_have_no_former_ones(tmp_path, caplog):
    for _ in range(2):
        assert IdentityFile(tmp_path).update(OLD, [LABEL]) == ()
    assert caplog.text == ""


@pytest.mark.parametrize("names", [Topics("appliance", "new"), Topics("site", "old"), Topics("appliance", "old", "ha")])
def test_change_is_logged_once_and_kept_until_it_is_cleared(tmp_path, caplog, names):
    file = IdentityFile(tmp_path)
    file.update(OLD, [])
    former = file.update(names, [LABEL, "foreign/topic", OLD.discovery])
    assert former == (FormerIdentity(OLD, frozenset({LABEL, OLD.discovery})),)
    assert {OLD.availability, OLD.snapshot, OLD.state, OLD.discovery, LABEL} <= set(former[0].retained)
    assert IdentityFile(tmp_path).update(names, []) == former
    assert caplog.text.count("formerly under appliance/old") == 1
    file.record_former(())
    assert IdentityFile(tmp_path).update(names, []) == ()


def test_names_that_come_back_are_no_former_ones(tmp_path):
    file = IdentityFile(tmp_path)
    file.update(OLD, [])
    file.update(NEW, [])
    assert [each.names for each in file.update(OLD, [])] == [NEW]


@pytest.mark.parametrize("announced", [[LABEL, OLD.discovery], [LABEL]])
def test_change_since_a_release_without_the_file_is_noticed(tmp_path, announced):
    assert [each.names for each in IdentityFile(tmp_path).update(NEW, announced)] == [OLD]
    assert IdentityFile(tmp_path / "missing").update(OLD, announced) == ()


@pytest.mark.parametrize(
    "content",
    [
        b'{"current": 5, "former": []}',
        b'{"current": {"base": "a", "device": 7, "discovery_prefix": "h"}, "former": []}',
        b'{"current": {"base": "a/#", "device": "d", "discovery_prefix": "h"}, "former": []}',
        b'{"current": null, "former": [{"base": "a", "device": "d", "discovery_prefix": "h", "topics": "x"}]}',
        b'{"current": null, "former": "x"}',
        b"[" * 3000 + b"]" * 3000,
    ],
)
def test_damaged_file_counts_as_missing(tmp_path, caplog, content):
    if content.startswith(b"{"):  # with a checksum that is right
        values = json.loads(content)
        checksum = zlib.crc32(json.dumps([values["current"], values["former"]], sort_keys=True).encode())
        content = json.dumps(values | {"checksum": checksum}).encode()
    (tmp_path / FILE_NAME).write_bytes(content)
    assert IdentityFile(tmp_path).update(OLD, []) == ()
    assert "cannot be used" in caplog.text
    assert json.loads((tmp_path / FILE_NAME).read_text())["current"]["device"] == "old"


@pytest.mark.parametrize("topics", ["abc", [1], ["a/+"], ["#"], [""], ["a\x00"], {"a": 1}, ["x" * 2000]])
def test_topics_that_cannot_be_cleared_are_refused(topics):
    with pytest.raises((TypeError, ValueError)):
        decode_topics(topics)


def test_events_of_this_device_stay_as_they_are():
    event, update = {"device": "new", "seq": 1}, {"state": "committed"}
    assert make_address(NEW)(NEW.event, event) == (NEW.event, event)
    assert make_address(NEW)(NEW.update, update) == (NEW.update, update)


def test_events_of_a_former_device_name_it():
    address = make_address(NEW)
    assert address(OLD.event, {"device": "old", "seq": 1}) == (
        NEW.event,
        {"device": "new", "seq": 1, "former_device": "old"},
    )
    assert address(OLD.update, {"state": "committed"}) == (NEW.update, {"state": "committed", "former_device": "old"})
    assert address("other/base/new/event", {"device": "new"}) == (NEW.event, {"device": "new"})


@pytest.mark.parametrize("topic", ["appliance/old/evenu", "event", "appliance/old", "x/event/"])
def test_topic_of_no_device_is_unreadable(topic):
    with pytest.raises(UnreadableRowError):
        make_address(NEW)(topic, {"device": "old"})


def test_changed_letter_in_the_file_clears_nothing_of_another_device(tmp_path, caplog):
    file = IdentityFile(tmp_path)
    file.update(OLD, [])
    content = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(content.replace('"old"', '"ole"'))
    assert file.update(NEW, []) == ()
    assert "checksum" in caplog.text
