"""A live camera on a counted input: the newest frame, what is decoded, silence, and what stays after closing."""

import gc
import threading
import time
import weakref

import pytest

from appliance.camera.stream.live import LiveCamera
from appliance.errors import CameraAbsentError, CameraStalledError
from support.counted_input import CountedInput
from support.streams import eventually


def test_live_intra_only_input_decodes_only_read_frames():
    source = CountedInput(10**9, intra_only=True, pause_s=0.001)
    camera = LiveCamera(source, 5)
    first = camera.read()[0, 0, 0]
    delivered = source.delivered
    while source.delivered < delivered + 50:
        time.sleep(0.001)
    newest = int(camera.read()[0, 0, 0])
    assert first < 5 and newest >= delivered + 45
    assert len(source.decoded) == 2 and camera.dropped >= 40
    assert source.closed == 0
    camera.close()
    assert source.closed >= 1


def test_low_rate_decodes_only_key_frames_that_are_read():
    source = CountedInput(10**9, intra_only=False, pause_s=0.001, key_every=20, frame_duration_s=0.001)
    camera = LiveCamera(source, fps=0.2)
    frames = [int(camera.read()[0, 0, 0]) for _ in range(3)]
    assert eventually(lambda: source.delivered > 200)
    camera.close()
    assert all(frame % 20 == 0 for frame in frames)
    assert source.decoded == [] and source.decoded_alone == frames


def test_key_frames_further_apart_than_wanted_make_all_frames_decoded():
    source = CountedInput(10**9, intra_only=False, pause_s=0.001, key_every=60, frame_duration_s=0.1)
    camera = LiveCamera(source, fps=0.4)
    assert eventually(lambda: 61 in source.decoded)
    camera.close()


def test_source_that_fails_to_open_is_reported_by_its_own_error():
    class Missing(CountedInput):
        def open(self):
            raise CameraAbsentError("it is not there")

    source = Missing(0, intra_only=True)
    with pytest.raises(CameraAbsentError, match="it is not there"):
        LiveCamera(source, 5)
    assert source.closed >= 1


class Held(CountedInput):
    """An input that waits for a signal before each packet."""

    def __init__(self):
        super().__init__(10**9, intra_only=True)
        self.signal = threading.Semaphore(0)

    def read_packet(self):
        self.signal.acquire()
        return super().read_packet()

    def abort(self):
        self.signal.release()


def test_slow_source_has_no_frame_yet_and_is_not_stalled(monkeypatch):
    monkeypatch.setattr("appliance.camera.stream.live.READ_LIMIT_S", 0.05)
    source = Held()
    camera = LiveCamera(source, 5)
    assert camera.read() is None and camera.read() is None
    source.signal.release()
    assert eventually(lambda: camera.read() is not None)
    camera.close()


def test_silent_source_is_stalled(monkeypatch):
    monkeypatch.setattr("appliance.camera.stream.live.READ_LIMIT_S", 0.05)
    source = Held()
    camera = LiveCamera(source, 1000, first_limit_s=0.2)
    with pytest.raises(CameraStalledError, match="sent no frames for"):
        while True:
            camera.read()
    camera.close()


def test_closed_camera_is_freed_without_the_garbage_collector():
    source = CountedInput(300, intra_only=True)  # enough that the reader sees one before the end
    reference = weakref.ref(source)
    camera = LiveCamera(source, 5)
    errors = []
    for _ in range(3):
        try:
            while True:
                camera.read()
        except CameraAbsentError as error:
            errors.append(error.with_traceback(None))
    gc.disable()
    try:
        camera.close()
        del source, camera
        assert reference() is None
    finally:
        gc.enable()
