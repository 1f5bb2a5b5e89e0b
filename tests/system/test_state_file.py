"""State files: a written value is read back, and an unusable file loses only its content."""

import logging
import os

import pytest

from appliance.system.state_file import StateFile


def state_file(path, **options):
    def decode(values):
        if not isinstance(values["count"], int):
            raise ValueError("count is not a number")
        return values["count"]

    return StateFile(path, decode, lambda count: {"count": count}, 7, **options)


@pytest.mark.parametrize("durable", [True, False])
def test_value_is_read_as_it_was_written(tmp_path, durable):
    file = state_file(tmp_path / "s.json", durable=durable)
    file.write(3)
    assert file.read() == 3
    assert (tmp_path / "s.json").read_text() == '{"count": 3}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_missing_file_is_the_default_without_a_warning(tmp_path, caplog):
    assert state_file(tmp_path / "s.json").read() == 7
    assert caplog.text == ""


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 40, b"[1]", b"null", b'{"count": "x"}', b"{}", b"[" * 100_000, b'{"count": 1'], ids=str
)
def test_unusable_file_is_the_default_with_a_warning(tmp_path, caplog, content):
    (tmp_path / "s.json").write_bytes(content)
    assert state_file(tmp_path / "s.json", if_unreadable="counting starts over").read() == 7
    assert "s.json cannot be used" in caplog.text
    assert caplog.text.count("counting starts over") == 1


@pytest.mark.parametrize("content", [b"null", b"7", b'{"count": null}', b'"text"', b"[]", b"\xff\xfe{", b""])
def test_warning_about_content_contains_no_words_of_python(tmp_path, caplog, content):
    (tmp_path / "s.json").write_bytes(content)
    assert state_file(tmp_path / "s.json").read() == 7
    for word in ("object", "NoneType", "argument", "indices", "codec"):
        assert word not in caplog.text


def test_missing_key_is_named_in_the_warning(tmp_path, caplog):
    (tmp_path / "s.json").write_text("{}")
    state_file(tmp_path / "s.json").read()
    assert "'count' is missing" in caplog.text


def test_folder_in_the_files_place_is_the_default(tmp_path, caplog):
    (tmp_path / "s.json").mkdir()
    assert state_file(tmp_path / "s.json", log=logging.getLogger("appliance.updates")).read() == 7
    assert caplog.records[0].name == "appliance.updates"
    assert "Is a directory" in caplog.text


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_mode_does_not_depend_on_the_umask(tmp_path, mode):
    before = os.umask(0o077)
    try:
        state_file(tmp_path / "s.json", mode=mode).write(1)
    finally:
        os.umask(before)
    assert (tmp_path / "s.json").stat().st_mode & 0o777 == mode


def test_failed_write_leaves_the_old_content(tmp_path):
    file = state_file(tmp_path / "s.json")
    file.write(1)
    with pytest.raises(TypeError):
        StateFile(tmp_path / "s.json", int, lambda value: object(), 0).write(2)
    assert file.read() == 1


def test_folder_that_is_missing_is_an_error_of_the_disk(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        state_file(tmp_path / "none" / "s.json").write(1)


def test_failed_write_can_be_a_warning_with_its_consequence(tmp_path, caplog):
    file = state_file(tmp_path / "missing" / "s.json", log=logging.getLogger("appliance.updates"))
    file.write_or_warn(3, "counting starts over later")
    assert caplog.records[0].name == "appliance.updates"
    assert "No such file" in caplog.text and "counting starts over later" in caplog.text
