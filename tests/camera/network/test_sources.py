"""Snapshots: one session for many frames, and answers whose length is wrong."""

import socket
import time

import pytest

from appliance.camera.network import sources
from appliance.camera.network.sources import find_boundary
from support.streams import RED, has_color, jpeg, open_source, plain, reading_error

JPEG = jpeg(plain(RED, 64, 48))


@pytest.mark.parametrize(
    ("content_type", "begin", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=shot", b"", b"shot"),
        ('multipart/x-mixed-replace;BOUNDARY = "--my shot"', b"", b"my"),
        ("multipart/x-mixed-replace", b"\r\n--shot\r\nContent-Type: image/jpeg", b"shot"),
        ("", b"\xff\xd8\xff", b""),
    ],
)
def test_boundary_comes_from_the_header_or_the_body(content_type, begin, boundary):
    assert find_boundary(content_type, begin) == boundary


def test_many_snapshots_use_one_connection_and_one_session(web):
    peers, cookies = set(), []

    def page(handler):
        peers.add(handler.client_address)
        cookies.append(handler.headers.get("Cookie"))
        handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = False
        handler.send_response(200)
        if handler.headers.get("Cookie") is None:
            handler.send_header("Set-Cookie", f"session={len(cookies)}")
        handler.send_header("Content-Length", str(len(JPEG)))
        handler.end_headers()
        handler.wfile.write(JPEG)

    web.pages["/shot"] = page
    camera = open_source(web.url + "/shot", fps=100)
    for _ in range(320):
        assert camera.read() is not None
    camera.close()
    assert len(peers) == 1
    assert cookies == [None] + ["session=1"] * 319


@pytest.mark.parametrize("announced", [-5, 0, 500, None])
def test_wrong_length_does_not_cost_the_picture(web, announced):
    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "image/jpeg")
        if announced is not None:
            handler.send_header("Content-Length", str(len(JPEG) + 100 + announced))
        handler.end_headers()
        handler.wfile.write(JPEG + bytes(100))
        if announced == 500:
            web.over.wait(20)

    web.pages["/shot"] = page
    camera = open_source(web.url + "/shot")
    began_s = time.monotonic()
    for _ in range(3):
        assert has_color(camera.read(), RED)
    assert time.monotonic() - began_s < 4
    camera.close()


def test_snapshot_that_becomes_a_page_is_named(web, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.camera.MIN_FAILURE_S", 0.3)
    web.pages["/shot"] = lambda handler: handler.give(JPEG, "image/jpeg")
    camera = open_source(web.url + "/shot")
    assert camera.read() is not None
    web.pages["/shot"] = lambda handler: handler.give(b"<html>please log in", "text/html")
    assert "answered with text/html instead of a picture" in str(reading_error(camera))
    camera.close()


def test_snapshot_camera_that_is_slow_from_the_beginning_is_awaited(web, monkeypatch):
    monkeypatch.setattr(sources, "SHORTEST_SNAPSHOT_LIMIT_S", 0.1)

    def answer(page):
        time.sleep(0.5)
        page.give(JPEG, "image/jpeg")

    web.pages["/slow.jpg"] = answer
    camera = open_source(f"{web.url}/slow.jpg", fps=20)
    began_s, count = time.monotonic(), 0
    while count < 4:
        count += camera.read() is not None
    camera.close()
    assert len(web.requests) <= 6 and time.monotonic() - began_s < 6
