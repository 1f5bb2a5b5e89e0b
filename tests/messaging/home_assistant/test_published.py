"""Test the file that records what is on the broker."""

import os
from pathlib import Path

import pytest

from appliance.messaging.home_assistant.published import PublishedTopics, PublishedTopicsFile
from appliance.messaging.topics import Topics

BY_THE_PREVIOUS_RELEASE = """{
 "topics": [
  "appliance/pi-1/label/rose",
  "homeassistant/device/pi-1/config"
 ],
 "components": {
  "label_rose": "binary_sensor"
 }
}"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "announced.json"


def test_file_of_the_previous_release_is_read(path):
    path.write_text(BY_THE_PREVIOUS_RELEASE)
    published = PublishedTopicsFile(path).read()
    assert published.topics == {"appliance/pi-1/label/rose", "homeassistant/device/pi-1/config"}
    assert published.components == {"label_rose": "binary_sensor"}


def test_written_value_is_read_back(path):
    published = PublishedTopics(frozenset({"T/label/Crème"}), {"label_creme": "binary_sensor"})
    PublishedTopicsFile(path).write(published)
    assert PublishedTopicsFile(path).read() == published


def test_other_accounts_cannot_read_the_file(path):
    PublishedTopicsFile(path).write(PublishedTopics())
    assert path.stat().st_mode & 0o777 == 0o640


def test_missing_file_is_empty_without_a_log(path, caplog):
    assert PublishedTopicsFile(path).read() == PublishedTopics()
    assert not caplog.records


@pytest.mark.parametrize("content", ["", "[]", '{"topics": 1, "components": {}}', '{"topics": []}', "{"])
def test_damaged_file_is_logged_and_empty(path, caplog, content):
    path.write_text(content)
    assert PublishedTopicsFile(path).read() == PublishedTopics()
    assert "stay on the broker" in caplog.text


def test_unwritable_file_is_only_logged(path, caplog):
    PublishedTopicsFile(path.parent / "missing" / path.name).write(PublishedTopics())
    assert "cannot be written" in caplog.text


def test_written_topics_survive_a_power_cut(path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    PublishedTopicsFile(path).write(PublishedTopics(frozenset({"T/label/rose"})))
    assert any(path.name in name for name in synced)
    assert str(path.parent) in synced


def test_topics_of_former_names_are_not_cleared_as_own_ones():
    names = Topics("appliance", "new")
    own, former = names.label("rose"), "appliance/old/label/rose"
    assert PublishedTopics(frozenset({own, former}), {"a": "sensor"}).keep_own(names) == PublishedTopics(
        frozenset({own})
    )
    both = PublishedTopics(frozenset({own, names.discovery, former}), {"a": "sensor"})
    assert both.keep_own(names) == PublishedTopics(frozenset({own, names.discovery}), {"a": "sensor"})
