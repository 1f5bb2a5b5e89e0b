"""Test the update journal: its file, and what happens if the file is damaged."""

import json
from dataclasses import replace

import pytest

from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.steps import UpdateState
from support.rig import publish_second

# The file as an earlier release wrote it.
OLD_FILE = (
    '{"format": 1, "entry": {"step": "warming", "hash": "abc", "version": "2.0", "sha256": "def", "reason": null, '
    '"asked": true, "tries": 1, "boot": "boot-1", "old_p95_ms": 12.5}}\n'
)
ENTRY = JournalEntry(UpdateState.WARMING, "abc", "2.0", "def", None, True, 1, "boot-1", 12.5)


def test_file_of_an_earlier_release_is_read(tmp_path):
    (tmp_path / "update.json").write_text(OLD_FILE)
    assert Journal(tmp_path).entry == ENTRY


def test_file_keeps_its_keys(tmp_path):
    Journal(tmp_path).write(ENTRY)
    assert (tmp_path / "update.json").read_text() == OLD_FILE


def test_missing_file_is_an_empty_journal(tmp_path, caplog):
    assert Journal(tmp_path).entry is None and caplog.text == ""


def test_entry_is_read_back_until_it_is_cleared(tmp_path):
    journal = Journal(tmp_path)
    journal.write(ENTRY)
    assert Journal(tmp_path).entry == journal.entry == ENTRY
    journal.write(None)
    assert Journal(tmp_path).entry is None
    assert json.loads((tmp_path / "update.json").read_text()) == {"format": 1, "entry": None}


def test_equal_entry_is_not_written_again(tmp_path):
    journal = Journal(tmp_path)
    journal.write(ENTRY)
    (tmp_path / "update.json").unlink()
    journal.write(replace(ENTRY))
    assert not (tmp_path / "update.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        '{"format": 1, "entry": {"hash": "abc"}}',
        '{"format": 1, "entry": {"step": "flying", "hash": "abc"}}',
        '{"format": 1, "entry": {"step": "probing", "hash": 1}}',
        '{"format": 1, "entry": {"step": "probing", "hash": "abc", "tries": "1"}}',
        '{"entry": null}',
        "null",
    ],
)
def test_invalid_file_is_logged_and_ignored(tmp_path, caplog, content):
    (tmp_path / "update.json").write_text(content)
    assert Journal(tmp_path).entry is None and "update.json cannot be used" in caplog.text


def test_unknown_keys_are_ignored(tmp_path):
    (tmp_path / "update.json").write_text('{"format": 1, "entry": {"step": "probing", "hash": "abc", "new": 1}}')
    assert Journal(tmp_path).entry == JournalEntry(UpdateState.PROBING, "abc")


def test_orderly_stop_resets_the_count_of_tries(tmp_path):
    journal = Journal(tmp_path)
    journal.write(ENTRY)
    journal.stop()
    assert Journal(tmp_path).entry == replace(ENTRY, boot="", tries=0)


def test_stop_with_an_unwritable_disk_is_logged(tmp_path, caplog):
    journal = Journal(tmp_path)
    journal.write(ENTRY)
    (tmp_path / "update.json").unlink()
    (tmp_path / "update.json").mkdir()
    journal.stop()
    assert "cannot be written" in caplog.text and journal.entry == ENTRY


def test_damaged_journal_starts_over(rig, server, tmp_path):
    publish_second(server, tmp_path)
    for content in ("", "{", "[]", '{"format": 1, "entry": {"step": 1}}', '{"format": 7}'):
        rig.stop()
        (rig.state / "update.json").write_text(content)
        rig.start()
    rig.check()
    rig.until("committed")
