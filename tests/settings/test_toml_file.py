"""TOML files, and the line of each fault in them."""

import os

import pytest

from appliance.errors import SettingsError
from appliance.settings.toml_file import read_toml_file


def test_text_and_tables_are_returned(tmp_path):
    (tmp_path / "a.toml").write_bytes(b"[camera]\r\nfps = 3\r\n")
    text, tables = read_toml_file(tmp_path / "a.toml")
    assert text.splitlines() == ["[camera]", "fps = 3"]
    assert tables == {"camera": {"fps": 3}}


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\n\n# x\nb = '''\nc = 1\n", 4), ("a = [1,\n2,\n\n", 1), ("a = 1\nb", 2), ("x = 1\n" * 2, 2), ("a = {", 1)],
)
def test_fault_without_a_position_is_located(tmp_path, text, line):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"a.toml, line {line}: not valid TOML"):
        read_toml_file(tmp_path / "a.toml")


@pytest.mark.parametrize("name", ["gone.toml", "folder", "a" * 300, "a\0b", "loop"])
def test_path_that_cannot_be_read_is_one_sentence(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_toml_file(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as another account, which only root can")
def test_file_of_another_account_is_refused_with_its_remedy(tmp_path):
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "a.toml").chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(SettingsError, match="sudo"):
            read_toml_file(tmp_path / "a.toml")
    finally:
        os.seteuid(0)
