"""Network cameras and video files, read from real servers on loopback and from real files."""

import threading
import time

import av
import numpy as np
import pytest

from appliance.errors import CameraAbsentError, CameraEndedError, CameraStalledError
from appliance.imaging.files import read_picture
from support.playlists import serve_live_playlist
from support.rtsp import rtsp_camera
from support.streams import (
    BLUE,
    DATA,
    GREEN,
    RED,
    eventually,
    has_color,
    jpeg,
    level,
    noise,
    open_source,
    opening_error,
    plain,
    reading_error,
    video_bytes,
    write_video,
)


def is_whole(picture):
    """Return whether noise reaches the lowest line; a decoder pads missing lines with one color."""
    return picture[-8:, 8:].reshape(-1, 3).std(axis=0).min() > 20


# Video files


@pytest.mark.parametrize(
    ("codec", "name"), [("libx264", "a.mp4"), ("mjpeg", "a.avi"), ("rawvideo", "a.nut"), ("libx264", "a.ts")]
)
def test_video_has_the_right_colors(tmp_path, codec, name):
    write_video(tmp_path / name, [plain(RED)] * 3 + [plain(BLUE)] * 3, codec, fps=100)
    camera = open_source(tmp_path / name, fps=100)
    pictures = [camera.read() for _ in range(6)]
    camera.close()
    assert all(has_color(picture, RED) for picture in pictures[:3])
    assert all(has_color(picture, BLUE) for picture in pictures[3:])
    for picture in pictures:
        assert picture.shape == (240, 320, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous
        picture[:] = 0  # the caller's own
    assert not camera.live


def test_video_frame_is_not_overwritten_by_later_frames(tmp_path):
    write_video(tmp_path / "a.nut", [plain(RED), plain(BLUE)], "rawvideo", fps=100)
    camera = open_source(tmp_path / "a.nut", fps=100)
    first = camera.read()
    before = first.copy()
    for _ in range(5):
        camera.read()
    camera.close()
    assert np.array_equal(first, before)


def test_odd_sizes_have_no_padding(tmp_path):
    write_video(tmp_path / "a.avi", [plain(GREEN, 222, 130)] * 2, "mjpeg")
    picture = open_source(tmp_path / "a.avi").read()
    assert picture.shape == (130, 222, 3) and picture.flags.c_contiguous
    assert np.abs(picture.astype(int) - np.array(GREEN)).max() <= 12


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mjpeg", "a.avi")])
def test_lower_rate_skips_frames_and_keeps_the_pace(tmp_path, codec, name):
    write_video(tmp_path / name, [level(20 + 3 * number) for number in range(60)], codec, fps=30)
    camera = open_source(tmp_path / name, fps=5, loop=False)
    began = time.monotonic()
    shown = [round((camera.read().mean() - 20) / 3) for _ in range(6)]
    took = time.monotonic() - began
    camera.close()
    assert shown == [0, 6, 12, 18, 24, 30]  # 0.2 s of the recording apart
    assert 0.9 <= took <= 1.6  # and of the clock


def test_slow_video_is_not_played_faster_than_recorded(tmp_path):
    write_video(tmp_path / "a.mp4", [level(20 * number) for number in range(4)], fps=10)
    camera = open_source(tmp_path / "a.mp4", fps=240)
    began = time.monotonic()
    for _ in range(4):
        camera.read()
    assert 0.28 <= time.monotonic() - began <= 0.8
    camera.close()


def test_video_without_timestamps_is_played(tmp_path):
    write_video(
        tmp_path / "a.h264", [level(20 + 8 * number) for number in range(25)], fps=25, form="h264", options={"bf": "0"}
    )
    camera = open_source(tmp_path / "a.h264", fps=12.5)
    shown = [round((camera.read().mean() - 20) / 8) for _ in range(4)]
    camera.close()
    assert shown == [0, 2, 4, 6]


def test_video_restarts_at_its_end(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED), plain(BLUE)], fps=50)
    camera = open_source(tmp_path / "a.mp4", fps=50)
    is_red = [has_color(camera.read(), RED) for _ in range(5)]
    camera.close()
    assert is_red == [True, False, True, False, True]


def test_video_without_loop_ends_and_stays_ended(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED), plain(BLUE)], fps=50)
    camera = open_source(tmp_path / "a.mp4", fps=50, loop=False)
    camera.read()
    camera.read()
    for _ in range(2):
        with pytest.raises(CameraEndedError, match="playback of .*a.mp4 ended"):
            camera.read()
    camera.close()
    camera.close()


def test_size_scales_the_frames(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED)] * 2)
    camera = open_source(tmp_path / "a.mp4", size=(160, 100))
    assert camera.read().shape == (100, 160, 3)
    camera.close()


def test_damaged_frames_are_omitted(tmp_path):
    write_video(tmp_path / "a.avi", [noise(seed) for seed in range(8)], "mjpeg", fps=100)
    damaged = bytearray((tmp_path / "a.avi").read_bytes())
    with av.open(str(tmp_path / "a.avi")) as whole:
        packets = [(packet.pos, packet.size) for packet in whole.demux() if packet.size]
    for position, size in packets[2:5]:
        damaged[position + size // 2 : position + size] = bytes(size - size // 2)
    (tmp_path / "b.avi").write_bytes(damaged)
    camera = open_source(tmp_path / "b.avi", fps=100, loop=False)
    pictures = []
    with pytest.raises(CameraEndedError):
        while True:
            pictures.append(camera.read())
    camera.close()
    assert len(pictures) == 5
    assert all(is_whole(picture) for picture in pictures)


def test_video_of_damaged_frames_is_absent_instead_of_looping(tmp_path):
    write_video(tmp_path / "a.avi", [noise()] * 3, "mjpeg")
    content = bytearray((tmp_path / "a.avi").read_bytes())
    with av.open(str(tmp_path / "a.avi")) as whole:
        packets = [(packet.pos, packet.size) for packet in whole.demux() if packet.size]
    for position, size in packets:
        content[position + 2 : position + size] = b"\x55" * (size - 2)
    (tmp_path / "b.avi").write_bytes(content)
    with pytest.raises(CameraAbsentError, match="b.avi"):
        open_source(tmp_path / "b.avi").read()


def test_invalid_video_is_absent(tmp_path):
    (tmp_path / "notes.mp4").write_text("shopping list\n" * 100)
    assert "notes.mp4 is not a video in a known format" in str(opening_error(tmp_path / "notes.mp4"))


def test_video_name_may_contain_a_colon(tmp_path, monkeypatch):
    write_video(tmp_path / "http:12:30.mp4", [plain(RED)] * 2)
    monkeypatch.chdir(tmp_path)
    camera = open_source("http:12:30.mp4")
    assert has_color(camera.read(), RED)
    camera.close()


def test_phone_video_is_turned_upright(tmp_path):
    top_red = plain(BLUE, 320, 240)
    top_red[:120] = RED
    write_video(tmp_path / "a.mp4", [np.rot90(top_red)] * 3)  # stored rotated a quarter to the left
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40

    def fixed(*values):
        return b"".join(value.to_bytes(4, "big", signed=True) for value in values)

    one = 1 << 16
    # "rotate a quarter to the right for display" (ISO 14496-12, 8.3.2: the matrix of the track header)
    content[matrix : matrix + 36] = fixed(0, one, 0, -one, 0, 0, 240 * one, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(content)
    picture = open_source(tmp_path / "b.mp4").read()
    assert picture.shape == (240, 320, 3) and picture.flags.c_contiguous
    assert np.abs(picture[20, 160].astype(int) - np.array(RED)).max() <= 12
    assert np.abs(picture[220, 160].astype(int) - np.array(BLUE)).max() <= 12


@pytest.mark.skipif(not (DATA / "data/images").is_dir(), reason="no shared pictures (APPLIANCE_TEST_DATA)")
def test_photograph_survives_a_video(tmp_path):
    photograph = read_picture(DATA / "data/images/cat_720p.jpg")[:720, :1280]
    photograph = np.ascontiguousarray(photograph[: photograph.shape[0] // 2 * 2, : photograph.shape[1] // 2 * 2])
    write_video(tmp_path / "a.mp4", [photograph] * 2, options={"crf": "10"})
    picture = open_source(tmp_path / "a.mp4").read()
    assert picture.shape == photograph.shape
    assert np.abs(picture.astype(int) - photograph).mean() < 3


# Streams over HTTP


def multipart(next_picture, over, pause_s=0.02):
    """Return a page that sends pictures until none is left."""

    def page(handler):
        handler.begin_multipart()
        while not over.is_set() and (picture := next_picture()) is not None:
            handler.part(picture)
            over.wait(pause_s)

    return page


def test_mjpeg_stream_returns_newest_frame_and_counts_others(web):
    sent = [0]

    def next_picture():
        sent[0] += 1
        return jpeg(level(sent[0]))

    web.pages["/live"] = multipart(next_picture, web.over)
    camera = open_source(web.url + "/live")
    assert camera.live
    camera.read()
    dropped = camera.dropped
    target = sent[0] + 25
    assert eventually(lambda: sent[0] >= target)
    newest = camera.read().mean()
    assert newest >= target - 4  # not the next one in the queue
    assert camera.dropped >= dropped + 15
    camera.close()


def test_stream_closed_by_server_is_absent(web):
    web.pages["/live"] = multipart(iter([jpeg(plain(RED))] * 5 + [None]).__next__, web.over)
    camera = open_source(web.url + "/live")
    with pytest.raises(CameraAbsentError, match="(ended|interrupted) the stream; check"):
        while True:
            camera.read()
    camera.close()


def test_silent_stream_is_stalled_and_closes_immediately(web):
    silent = threading.Event()

    def page(handler):
        handler.begin_multipart()
        while not silent.wait(0.02):
            handler.part(jpeg(plain(RED)))
        web.over.wait(20)

    web.pages["/live"] = page
    camera = open_source(web.url + "/live")
    for _ in range(4):  # so that its rate is known
        camera.read()
    silent.set()
    began = time.monotonic()
    with pytest.raises(CameraStalledError, match="/live stopped sending frames; check the camera"):
        while True:
            camera.read()
    assert time.monotonic() - began < 10.5
    began = time.monotonic()
    camera.close()
    camera.close()
    assert time.monotonic() - began < 1


def test_closing_a_stream_disconnects(web):
    web.pages["/live"] = multipart(lambda: jpeg(plain(RED)), web.over)
    camera = open_source(web.url + "/live")
    camera.read()
    threads = threading.active_count()
    camera.close()
    assert eventually(lambda: threading.active_count() <= threads - 2)  # ours, and the server's for this connection


def test_truncated_frames_of_a_stream_are_omitted(web):
    picture = jpeg(noise())
    turn = iter(range(10**9))
    web.pages["/live"] = multipart(lambda: picture if next(turn) % 2 == 0 else picture[: len(picture) // 2], web.over)
    camera = open_source(web.url + "/live")
    assert all(is_whole(camera.read()) for _ in range(20))
    camera.close()


def test_stream_that_turns_damaged_is_stalled(web, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.camera.MIN_FAILURE_S", 0.3)
    picture = jpeg(noise())
    worn = threading.Event()
    web.pages["/live"] = multipart(lambda: picture[: len(picture) // 2] if worn.is_set() else picture, web.over)
    camera = open_source(web.url + "/live")
    camera.read()
    worn.set()
    with pytest.raises(CameraStalledError, match="only damaged frames"):
        until = time.monotonic() + 8
        while time.monotonic() < until:
            frame = camera.read()
            assert frame is None or is_whole(frame)
    camera.close()


def test_nonconforming_jpeg_stream_is_accepted_after_attempts(web):
    sloppy = jpeg(noise())[:-4000] + b"\xff\xd9"
    web.pages["/live"] = multipart(lambda: sloppy, web.over)
    camera = open_source(web.url + "/live")
    assert camera.read()[:100].std() > 20
    camera.close()


# Snapshots and files over HTTP


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream"])
def test_snapshot_is_fetched_for_each_read_and_not_before(web, kind):
    colors = [RED]
    web.pages["/shot.jpg"] = lambda handler: handler.give(jpeg(plain(colors[0])), kind)
    camera = open_source(web.url + "/shot.jpg")
    assert camera.live and has_color(camera.read(), RED)
    requests = len(web.requests)
    colors[0] = BLUE
    assert has_color(camera.read(), BLUE)
    colors[0] = GREEN
    assert has_color(camera.read(), GREEN)
    assert len(web.requests) == requests + 2
    camera.close()


def test_snapshot_that_disappears_is_absent(web, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.camera.MIN_FAILURE_S", 0.3)
    web.pages["/shot.jpg"] = lambda handler: handler.give(jpeg(plain(RED)), "image/jpeg")
    camera = open_source(web.url + "/shot.jpg")
    camera.read()
    del web.pages["/shot.jpg"]
    assert "shot.jpg does not exist (404)" in str(reading_error(camera))
    camera.close()


def test_hanging_snapshot_is_stalled_within_the_limit(web, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.camera.MIN_FAILURE_S", 0.3)
    monkeypatch.setattr("appliance.camera.network.sources.SHORTEST_SNAPSHOT_LIMIT_S", 0.5)
    sound = [True, True]  # the time of the second one is the camera's own speed

    def page(handler):
        if sound:
            sound.pop()
            handler.give(jpeg(plain(RED)), "image/jpeg")
        else:
            web.over.wait(20)

    web.pages["/shot.jpg"] = page
    camera = open_source(web.url + "/shot.jpg")
    camera.read()
    camera.read()
    error = reading_error(camera)
    assert isinstance(error, CameraStalledError) and "shot.jpg" in str(error)
    camera.close()


def test_video_at_an_address_is_a_recording(web):
    body = video_bytes([plain(RED), plain(BLUE)], "mjpeg", "avi", fps=50)
    web.pages["/a.avi"] = lambda handler: handler.give(body, "video/x-msvideo")
    camera = open_source(web.url + "/a.avi", fps=50)
    assert not camera.live
    assert [has_color(camera.read(), RED) for _ in range(3)] == [True, False, True]
    camera.close()


def test_live_playlist_with_long_segments_plays_evenly(web):
    serve_live_playlist(web, "/live.m3u8", segment_s=4)
    camera = open_source(web.url + "/live.m3u8", fps=10)
    assert camera.live
    times = [time.monotonic() for _ in range(60) if camera.read() is not None]
    camera.close()
    assert len(times) == 60 and max(np.diff(times)) < 1.5


def give_without_length(body):
    """Return a page that sends the body until the connection is closed."""

    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "video/mp2t")
        handler.end_headers()
        handler.wfile.write(body)

    return page


def test_file_of_unknown_size_is_played_at_its_speed_and_repeated(web):
    body = video_bytes([level(20 + 5 * number) for number in range(40)], "libx264", "mpegts", fps=20)
    web.pages["/a.ts"] = give_without_length(body)
    camera = open_source(web.url + "/a.ts", fps=20)
    began = time.monotonic()
    while len(web.requests) < 7:  # one to see what it is, one for each round
        camera.read()
    assert time.monotonic() - began > 2
    camera.close()


def test_file_of_unknown_size_ends_without_loop(web):
    body = video_bytes([level(20 + 5 * number) for number in range(40)], "libx264", "mpegts", fps=20)
    web.pages["/a.ts"] = give_without_length(body)
    camera = open_source(web.url + "/a.ts", fps=20, loop=False)
    with pytest.raises(CameraEndedError, match="playback of .*/a.ts ended"):
        while True:
            camera.read()
    camera.close()


def test_file_without_duration_is_a_recording_if_its_size_is_known(web):
    body = video_bytes([level(20 + 5 * number) for number in range(40)], "libx264", "h264", fps=20)
    web.pages["/a.h264"] = lambda handler: handler.give(body, "application/octet-stream")
    camera = open_source(web.url + "/a.h264")
    assert not camera.live and "frames/s" not in camera.description  # libav would guess 25
    camera.close()


# RTSP


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "udp"])
def test_rtsp_stream_returns_newest_frame(tcp):
    with rtsp_camera(tcp=tcp) as server:
        camera = open_source(server.url)
        assert camera.live and has_color(camera.read(), RED)
        server.color = BLUE
        assert eventually(lambda: has_color(camera.read(), BLUE), 3)
        dropped = camera.dropped
        assert eventually(lambda: camera.dropped > dropped + 5)  # without a reader
        camera.close()
        assert "TCP" in server.transports[0]  # tried first
        assert ("TCP" in server.transports[-1]) == tcp


def test_dropped_rtsp_stream_is_absent_and_reopens():
    with rtsp_camera() as server:
        camera = open_source(server.url)
        camera.read()
        server.drop()
        with pytest.raises(CameraAbsentError, match="/cam (ended|interrupted) the stream"):
            while True:
                camera.read()
        camera.close()
        camera = open_source(server.url)
        assert has_color(camera.read(), RED)
        camera.close()


def test_silent_rtsp_stream_is_stalled():
    with rtsp_camera() as server:
        camera = open_source(server.url)
        camera.read()
        server.silent.set()
        began = time.monotonic()
        with pytest.raises(CameraStalledError):
            while True:
                camera.read()
        assert time.monotonic() - began < 6
        camera.close()
