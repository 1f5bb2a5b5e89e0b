"""Lines on the control socket: their length, their time, and long paths."""

import json
import socket
import time

import pytest

from appliance.control.wire import MAX_PATH_BYTES, LineReader, encode_message, open_socket_address


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def in_s(seconds):
    return time.monotonic() + seconds


def test_message_is_one_line_of_json():
    line = encode_message({"text": "zwei\nZeilen ü"})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {"text": "zwei\nZeilen ü"}
    assert "ü".encode() in line


def test_lines_are_read_one_by_one_until_the_end(pair):
    ours, theirs = pair
    theirs.sendall(b"one\ntwo\nhal")
    theirs.shutdown(socket.SHUT_WR)
    reader = LineReader(ours, 100)
    assert [reader.read_line(in_s(5)) for _ in range(3)] == [b"one", b"two", None]


def test_long_line_is_an_error(pair):
    ours, theirs = pair
    theirs.sendall(b"x" * 200)
    with pytest.raises(ValueError, match="too long"):
        LineReader(ours, 100).read_line(in_s(5))


def test_deadline_counts_for_the_whole_line(pair):
    ours, theirs = pair
    theirs.sendall(b"x")
    with pytest.raises(TimeoutError):
        LineReader(ours, 100).read_line(in_s(0.05))
    with pytest.raises(TimeoutError):
        LineReader(ours, 100).read_line(in_s(-1))


def test_long_path_has_a_short_address(tmp_path):
    with open_socket_address(tmp_path / "s") as address:
        assert address == str(tmp_path / "s")
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    with open_socket_address(folder / "s") as address:
        assert len(address) <= MAX_PATH_BYTES and address.endswith("/s")
