"""A network camera that fails now and then, is slow, or falls silent."""

import time

import pytest

from appliance.camera.network import camera as network_camera
from appliance.camera.network.camera import FailureRun, NetworkPictureCamera
from appliance.camera.network.picture_scanner import ScannedPicture
from appliance.camera.silence import SilenceLimit
from appliance.camera.stream.picture_decoder import PictureDecoder
from appliance.errors import CameraAbsentError, CameraStalledError
from support.streams import RED, eventually, has_color, jpeg, open_source, plain, reading_error

JPEG = jpeg(plain(RED, 64, 48))


def test_snapshot_camera_with_one_error_in_ten_gives_every_frame(web):
    turn = iter(range(10**6))
    web.pages["/shot"] = lambda handler: (
        handler.send_error(503) if next(turn) % 10 == 9 else handler.give(JPEG, "image/jpeg")
    )
    camera = open_source(web.url + "/shot", fps=50)
    began_s = time.monotonic()
    for _ in range(60):
        assert has_color(camera.read(), RED)
    assert time.monotonic() - began_s < 60 / 10 / 0.85  # as at 10 frames/s
    camera.close()


def test_camera_is_gone_only_after_several_failures_and_seconds(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(network_camera.time, "monotonic", lambda: now_s[0])
    run = FailureRun()
    for second in range(10):
        now_s[0] = second
        run.add()
        assert run.is_lasting == (second >= network_camera.MIN_FAILURE_S)
    run.reset()
    run.add()
    now_s[0] += 100
    assert not run.is_lasting  # one failure alone
    run.add()
    run.add()
    assert run.is_lasting


class SlowSource:
    """Sends a picture when it is asked to; `failure` ends it."""

    display_name, kind, on_demand = "http://camera/live", "MJPEG", False

    def __init__(self, gap_s):
        import threading

        self.gap_s, self.over = gap_s, threading.Event()

    def fetch(self):
        if self.over.wait(self.gap_s):
            raise CameraAbsentError("closed")
        return ScannedPicture(JPEG, True)

    def describe_content(self):
        return ""

    def abort(self):
        self.over.set()

    def close(self):
        self.over.set()


def test_slow_source_is_awaited_in_short_calls(monkeypatch):
    monkeypatch.setattr(network_camera, "READ_LIMIT_S", 0.05)
    camera = NetworkPictureCamera(SlowSource(0.5), PictureDecoder(None), 5)
    frames = [camera.read() is not None for _ in range(25)]
    camera.close()
    assert frames.count(True) >= 2 and frames.count(False) >= 10


def test_silence_is_an_error_after_the_limit_of_the_source(monkeypatch):
    monkeypatch.setattr(network_camera, "READ_LIMIT_S", 0.1)
    monkeypatch.setattr("appliance.camera.silence.SHORTEST_LIMIT_S", 0.4)
    source = SlowSource(0.01)
    camera = NetworkPictureCamera(source, PictureDecoder(None), 50)
    assert eventually(lambda: camera.read() is not None)
    assert eventually(lambda: camera.dropped > 3)
    source.gap_s = 100
    error = reading_error(camera)
    assert isinstance(error, CameraStalledError) and "stopped sending frames" in str(error)
    camera.close()


def test_limit_allows_a_picture_every_ten_seconds_and_a_first_one_after_30_s():
    now_s = [0.0]
    limit = SilenceLimit(5, lambda: now_s[0])
    assert limit.limit_s > 30
    for _ in range(5):
        limit.note_arrival()
        now_s[0] += 10
        assert limit.remaining_s > 0


def test_failure_keeps_no_frames_of_the_thread_alive():
    source = SlowSource(0.01)
    camera = NetworkPictureCamera(source, PictureDecoder(None), 5)
    source.over.set()
    with pytest.raises(CameraAbsentError) as caught:
        while True:
            camera.read()
    camera.close()
    frames = []
    trace = caught.value.__traceback__
    while trace:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert "fetch" not in frames and caught.value.__context__ is None
