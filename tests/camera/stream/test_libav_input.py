"""A source that libav opens: everything is freed when it is closed, without the garbage collector."""

import gc
import logging
import threading
from pathlib import Path

import pytest

from appliance.camera.stream.errors import convert_file_error
from appliance.camera.stream.libav_input import LibavInput
from appliance.errors import CameraAbsentError, CameraError
from support.rtsp import rtsp_camera
from support.streams import RED, open_source, opening_error, plain, write_video


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count_native() -> int:
    """Return the number of containers and decoders that exist."""
    return sum(type(each).__name__ in ("InputContainer", "VideoCodecContext") for each in gc.get_objects())


def open_file(path: Path) -> LibavInput:
    source = LibavInput(f"file:{path}", {}, str(path), lambda error, opening: convert_file_error(error, path, opening))
    source.open()
    return source


def test_closed_source_frees_container_and_decoder(tmp_path, no_collector):
    write_video(tmp_path / "a.mp4", [plain(RED)] * 3)
    source = open_file(tmp_path / "a.mp4")
    source.decode(source.read_packet())
    assert count_native() >= 2
    source.close()
    assert count_native() == 0


def test_kept_error_of_a_failed_opening_keeps_nothing(tmp_path, no_collector):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 1000)
    before = len(list(Path("/proc/self/fd").iterdir()))
    errors = []
    for _ in range(5):
        with pytest.raises(CameraAbsentError) as caught:
            open_file(tmp_path / "a.mp4")
        errors.append(caught.value)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_cut_and_closed_streams_leave_no_thread_descriptor_or_object(no_collector):
    def cycle():
        camera = open_source(server.url)
        camera.read()
        server.drop()
        try:
            while True:
                camera.read()
        except CameraError as error:
            kept[:] = [error]
        camera.close()

    kept: list[CameraError] = []
    with rtsp_camera() as server:
        cycle()
        kept.clear()
        gc.collect()
        mine = {thread for thread in threading.enumerate() if thread.name in ("camera stream", "RTSP relay")}
        for _ in range(4):
            cycle()
        kept.clear()
        assert {thread for thread in threading.enumerate() if thread.name in ("camera stream", "RTSP relay")} == mine
        assert not [
            each for each in gc.get_objects() if type(each).__name__ in ("LiveCamera", "LibavInput", "RtspRelay")
        ]


def test_no_message_of_libav_reaches_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    with rtsp_camera(password="secret") as server:
        opening_error(server.url)
    assert not [record for record in caplog.records if record.name.startswith("libav")]
