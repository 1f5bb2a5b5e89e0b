"""A slow server while a camera is opened: it is awaited in short calls, and closing ends it at once."""

import threading
import time

import pytest

from appliance.camera.network import open as network_open
from appliance.camera.network.opening import OpeningCamera
from appliance.errors import CameraAbsentError, CameraStalledError
from support.streams import RED, eventually, has_color, jpeg, open_source, plain, reading_error

JPEG = jpeg(plain(RED, 64, 48))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for module in ("open", "opening", "camera"):
        monkeypatch.setattr(f"appliance.camera.network.{module}.READ_LIMIT_S", 0.2)


def test_slow_first_response_is_awaited_in_short_calls(web):
    def page(handler):
        web.over.wait(1.5)
        handler.give(JPEG, "image/jpeg")

    web.pages["/shot"] = page
    camera = open_source(web.url + "/shot")
    assert isinstance(camera, OpeningCamera) and camera.live and "/shot" in camera.description
    assert camera.read() is None and camera.read() is None
    while (pixels := camera.read()) is None:
        pass
    assert has_color(pixels, RED)
    assert "JPEG snapshots, 64 x 48" in camera.description and not camera.dropped and not camera.damaged
    camera.close()
    camera.close()


def test_closing_ends_an_opening_at_once(web):
    web.pages["/shot"] = lambda handler: web.over.wait(20)
    threads = threading.active_count()
    camera = open_source(web.url + "/shot")
    began_s = time.monotonic()
    camera.close()
    assert time.monotonic() - began_s < 1
    assert eventually(lambda: "camera opening" not in [thread.name for thread in threading.enumerate()], 2)
    assert threads


def test_late_error_is_raised_by_read(web, monkeypatch):
    monkeypatch.setattr(network_open, "FIRST_SNAPSHOT_LIMIT_S", 0.5)
    web.pages["/shot"] = lambda handler: web.over.wait(20)
    camera = open_source(web.url + "/shot")
    error = reading_error(camera)
    assert isinstance(error, CameraStalledError) and "does not answer in time" in str(error)
    camera.close()


def test_camera_that_opens_after_closing_is_closed():
    closed, go = [], threading.Event()

    class Late:
        def close(self):
            closed.append(True)

    def open_late():
        go.wait(5)
        return Late()

    camera = OpeningCamera(open_late, lambda: None, "late")
    camera.close()
    go.set()
    assert eventually(lambda: closed == [True])


def test_unexpected_error_is_an_absent_camera():
    def fail():
        raise ZeroDivisionError

    with pytest.raises(CameraAbsentError, match="ZeroDivisionError"):
        OpeningCamera(fail, lambda: None, "odd").wait(2)
