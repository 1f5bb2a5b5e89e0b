"""Slow and idle clients: each loses its own connection, and nobody else's."""

import json
import socket
import time
from contextlib import suppress

import pytest

from appliance.web.connections import protocol
from support.broker import wait_until
from support.web import HOST, WebDevice

LIMIT_S = 1.0


@pytest.fixture(scope="module", autouse=True)
def short_limits(device):
    before = protocol.HEADER_LIMIT_S, protocol.BODY_LIMIT_S, protocol.WRITE_LIMIT_S
    protocol.HEADER_LIMIT_S = protocol.BODY_LIMIT_S = protocol.WRITE_LIMIT_S = LIMIT_S
    yield
    protocol.HEADER_LIMIT_S, protocol.BODY_LIMIT_S, protocol.WRITE_LIMIT_S = before


def connect(device, receive_bytes=None):
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(10)
    connection.connect((HOST, device.port))
    return connection


def seconds_until_closed(connection):
    began_s = time.monotonic()
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - began_s


@pytest.mark.parametrize(
    "start",
    [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\r\n"],
)
def test_client_that_sends_no_header_is_disconnected(device, start):
    with connect(device) as connection:
        connection.sendall(start)
        assert seconds_until_closed(connection) < 5 * LIMIT_S


def test_header_byte_by_byte_is_disconnected_in_time(device):
    with connect(device) as connection:
        began_s = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - began_s < 10 * LIMIT_S


def test_body_that_stops_is_disconnected(device, admin):
    with connect(device) as connection:
        connection.sendall(
            b"PUT /api/threshold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n"
            + f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode() + b"{"
        )  # fmt: skip
        assert seconds_until_closed(connection) < 5 * LIMIT_S


@pytest.mark.slow
def test_client_that_reads_nothing_loses_its_stream(device, admin):
    with connect(device, 4096) as connection:
        connection.sendall(
            f"GET /api/stream.mjpg?width=1920 HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode()
        )
        wait_until(lambda: device.service.page.viewers == 1, "the stream is open")
        wait_until(lambda: device.service.page.viewers == 0, "the stream was ended", 60)


def test_200_idle_connections_shut_nobody_out(device, admin):
    protocol.HEADER_LIMIT_S = 30.0
    try:
        idle = [connect(device) for _ in range(200)]
        try:
            for _ in range(5):
                assert admin.get("/api/status").status == 200
        finally:
            for each in idle:
                each.close()
    finally:
        protocol.HEADER_LIMIT_S = LIMIT_S


SLOW = b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 60000\r\n\r\n{"


def test_body_byte_by_byte_is_disconnected_in_time(device):
    with connect(device) as connection:
        connection.sendall(SLOW)
        began_s = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < began_s + 20 * LIMIT_S:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began_s < 10 * LIMIT_S


def test_70_slow_bodies_of_strangers_shut_nobody_out(device, admin, monkeypatch):
    monkeypatch.setattr(protocol, "BODY_LIMIT_S", 60.0)
    monkeypatch.setattr(protocol, "_STALLED_S", 0.2)
    slow = [connect(device) for _ in range(70)]
    try:
        for turn in range(5):
            for each in slow:
                with suppress(OSError):  # of one whose place was taken
                    each.sendall(b"x" if turn else SLOW)
            time.sleep(0.3)  # until the device may call them stalled
            assert admin.get("/api/status").status == 200
    finally:
        for each in slow:
            each.close()


def test_frames_are_labeled_while_slow_clients_wait(device):
    before = device.device.latest_frame().number
    idle = [connect(device) for _ in range(60)]
    try:
        wait_until(lambda: device.device.latest_frame().number > before + 10, "frames are labeled")
    finally:
        for each in idle:
            each.close()


def test_stop_ends_open_streams(tmp_path):
    with WebDevice(tmp_path) as own:
        client = own.program()
        connection = client.connect()
        connection.request("GET", "/api/labels", headers=client.headers)
        answer = connection.getresponse()
        assert answer.read(10) == b"event: sta"
        own.service.page.stop()
        answer.read()
        connection.close()


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET /\r\n\r\n"],
)
def test_request_that_is_no_http_gets_a_sentence(device, request_bytes):
    head, _, body = device.anonymous().raw(request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"application/json" in head
    assert set(json.loads(body)) == {"error"}
