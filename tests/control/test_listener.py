"""The listening socket: its group and mode, and what already has its path."""

import os
import socket
import stat
import threading
from contextlib import closing

import pytest

from appliance.control.client import ask
from appliance.control.listener import open_listener
from appliance.control.server import ControlServer
from appliance.errors import ControlError, DaemonAbsentError
from support.control import echo, leave_stale_socket


def test_socket_has_the_folders_group(tmp_path):
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, 12345)
    before = os.umask(0o077)
    try:
        with closing(open_listener(tmp_path / "s", 1)):
            found = (tmp_path / "s").stat()
    finally:
        os.umask(before)
    assert stat.S_IMODE(found.st_mode) == 0o660
    assert (found.st_uid, found.st_gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)


def test_socket_of_a_dead_daemon_is_replaced(path):
    leave_stale_socket(path)
    stale = path.stat().st_ino, path.stat().st_mtime_ns
    with pytest.raises(DaemonAbsentError):
        ask(path, {})
    with closing(open_listener(path, 1)), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        assert (path.stat().st_ino, path.stat().st_mtime_ns) != stale
    with ControlServer(path, echo):
        assert ask(path, {}) == {"asked": {}}


def test_daemon_that_accepts_nobody_keeps_its_socket(path):
    with closing(open_listener(path, 0)), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
        waiting.connect(str(path))  # its queue is full now
        with pytest.raises(ControlError, match="another daemon"):
            open_listener(path, 1)
        assert path.exists()


def test_second_daemon_is_refused(server, path):
    with pytest.raises(ControlError, match=r"another daemon.*APPLIANCE_STATE_DIR"):
        ControlServer(path, echo).start()
    assert ask(path, {}) == {"asked": {}}


def test_one_of_several_daemons_starts(path):
    def start(server):
        together.wait(5)
        try:
            server.start()
        except ControlError as error:
            refused.append(error)

    for _ in range(20):
        leave_stale_socket(path)
        servers, refused, together = [ControlServer(path, echo) for _ in range(6)], [], threading.Barrier(6)
        threads = [threading.Thread(target=start, args=(server,)) for server in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(refused) == len(servers) - 1 and all("another daemon" in str(error) for error in refused)
        assert ask(path, {}) == {"asked": {}}
        for server in servers:
            server.stop()


@pytest.mark.parametrize("make", ["write", "link", "mkdir"])
def test_other_file_on_the_path_is_not_removed(path, tmp_path, make):
    if make == "write":
        path.write_text("mine")
    elif make == "mkdir":
        path.mkdir()
    else:
        leave_stale_socket(tmp_path / "other")
        path.symlink_to(tmp_path / "other")
    before = path.lstat()
    with pytest.raises(ControlError, match=f"{path} .*not a socket"):
        open_listener(path, 1)
    assert path.lstat() == before


def test_missing_folder_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_listener(tmp_path / "missing/control.sock", 1)


def test_path_longer_than_a_socket_address_works(tmp_path):
    folder = tmp_path / ("a" * 100) / ("b" * 100)
    folder.mkdir(parents=True)
    with closing(open_listener(folder / "control.sock", 1)):
        assert stat.S_ISSOCK((folder / "control.sock").stat().st_mode)
