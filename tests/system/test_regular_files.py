"""Reading files in whose place anything can be."""

import os
import socket

import pytest

from appliance.system.regular_files import is_foreign, read_regular_file


def test_file_is_read_as_a_whole_through_a_link_too(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "file") == b"content"
    assert read_regular_file(tmp_path / "link") == b"content"
    assert not is_foreign(tmp_path / "file") and not is_foreign(tmp_path / "missing")


def test_fifo_socket_folder_device_and_loop_are_errors_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("fifo", "folder", "device", "loop", "socket"):
            assert is_foreign(tmp_path / name), name
            with pytest.raises(OSError, match=r"directory|regular|device|links"):
                read_regular_file(tmp_path / name)


def test_larger_file_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(bytes(11))
    assert len(read_regular_file(tmp_path / "file", 11)) == 11
    with pytest.raises(OSError, match="large"):
        read_regular_file(tmp_path / "file", 10)
