"""Network cameras and video files, read from real servers on loopback and from real files."""

import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time

import av
import numpy as np
import pytest

from appliance.camera.open import open_camera
from appliance.errors import CameraAbsentError, CameraEndedError, CameraError, CameraStalledError
from appliance.imaging.files import read_picture
from appliance.settings.schema import CameraSettings
from support.paths import ROOT
from support.streams import (
    BLUE,
    DATA,
    GREEN,
    RED,
    basic,
    eventually,
    has_color,
    jpeg,
    level,
    noise,
    plain,
    rtsp_camera,
    video_bytes,
    web_camera,
    write_video,
)

WANTED_PX = (224, 224)
PASSWORD = "p@ss:/#wd %41"


def opened(source, **settings):
    return open_camera(CameraSettings(source=str(source), **settings), WANTED_PX)


def refusal(source, **settings) -> CameraError:
    """The error that opening ends in."""
    with pytest.raises(CameraError) as caught:
        opened(source, **settings).close()
    return caught.value


def is_whole(picture):
    """Whether noise goes down to the lowest line; a decoder pads what is missing with one colour."""
    return picture[-8:, 8:].reshape(-1, 3).std(axis=0).min() > 20


@pytest.fixture
def web():
    with web_camera() as server:
        yield server


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


# Video files


@pytest.mark.parametrize(
    ("codec", "name"), [("libx264", "a.mp4"), ("mjpeg", "a.avi"), ("rawvideo", "a.nut"), ("libx264", "a.ts")]
)
def test_a_video_has_the_right_colours(tmp_path, codec, name):
    write_video(tmp_path / name, [plain(RED)] * 3 + [plain(BLUE)] * 3, codec, fps=100)
    camera = opened(tmp_path / name, fps=100)
    pictures = [camera.read() for _ in range(6)]
    camera.close()
    assert all(has_color(picture, RED) for picture in pictures[:3])
    assert all(has_color(picture, BLUE) for picture in pictures[3:])
    for picture in pictures:
        assert picture.shape == (240, 320, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous
        picture[:] = 0  # the caller's own
    assert not camera.live


def test_a_frame_is_never_written_to_again(tmp_path):
    write_video(tmp_path / "a.nut", [plain(RED), plain(BLUE)], "rawvideo", fps=100)
    camera = opened(tmp_path / "a.nut", fps=100)
    first = camera.read()
    before = first.copy()
    for _ in range(5):
        camera.read()
    camera.close()
    assert np.array_equal(first, before)


def test_odd_sizes_come_out_without_padding(tmp_path):
    write_video(tmp_path / "a.avi", [plain(GREEN, 222, 130)] * 2, "mjpeg")
    picture = opened(tmp_path / "a.avi").read()
    assert picture.shape == (130, 222, 3) and picture.flags.c_contiguous
    assert np.abs(picture.astype(int) - np.array(GREEN)).max() <= 12


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mjpeg", "a.avi")])
def test_a_ceiling_on_the_rate_passes_frames_over_and_keeps_the_pace(tmp_path, codec, name):
    write_video(tmp_path / name, [level(20 + 3 * number) for number in range(60)], codec, fps=30)
    camera = opened(tmp_path / name, fps=5, loop=False)
    began = time.monotonic()
    shown = [round((camera.read().mean() - 20) / 3) for _ in range(6)]
    took = time.monotonic() - began
    camera.close()
    assert shown == [0, 6, 12, 18, 24, 30]  # 0.2 s of the recording apart
    assert 0.9 <= took <= 1.6  # and of the clock


def test_a_slow_video_is_not_played_faster_than_it_was_taken(tmp_path):
    write_video(tmp_path / "a.mp4", [level(20 * number) for number in range(4)], fps=10)
    camera = opened(tmp_path / "a.mp4", fps=240)
    began = time.monotonic()
    for _ in range(4):
        camera.read()
    assert 0.28 <= time.monotonic() - began <= 0.8
    camera.close()


def test_a_video_without_timestamps_is_played(tmp_path):
    write_video(
        tmp_path / "a.h264", [level(20 + 8 * number) for number in range(25)], fps=25, form="h264", options={"bf": "0"}
    )
    camera = opened(tmp_path / "a.h264", fps=12.5)
    shown = [round((camera.read().mean() - 20) / 8) for _ in range(4)]
    camera.close()
    assert shown == [0, 2, 4, 6]


def test_a_video_begins_again_at_its_end(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED), plain(BLUE)], fps=50)
    camera = opened(tmp_path / "a.mp4", fps=50)
    colors = [has_color(camera.read(), RED) for _ in range(5)]
    camera.close()
    assert colors == [True, False, True, False, True]


def test_without_loop_the_end_is_said_and_stays(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED), plain(BLUE)], fps=50)
    camera = opened(tmp_path / "a.mp4", fps=50, loop=False)
    camera.read()
    camera.read()
    for _ in range(2):
        with pytest.raises(CameraEndedError, match="a.mp4 was played to its end"):
            camera.read()
    camera.close()
    camera.close()


def test_a_size_scales_the_frames(tmp_path):
    write_video(tmp_path / "a.mp4", [plain(RED)] * 2)
    camera = opened(tmp_path / "a.mp4", size=(160, 100))
    assert camera.read().shape == (100, 160, 3)
    camera.close()


def test_damaged_frames_are_left_out(tmp_path):
    write_video(tmp_path / "a.avi", [noise(seed) for seed in range(8)], "mjpeg", fps=100)
    damaged = bytearray((tmp_path / "a.avi").read_bytes())
    with av.open(str(tmp_path / "a.avi")) as whole:
        packets = [(packet.pos, packet.size) for packet in whole.demux() if packet.size]
    for position, size in packets[2:5]:
        damaged[position + size // 2 : position + size] = bytes(size - size // 2)
    (tmp_path / "b.avi").write_bytes(damaged)
    camera = opened(tmp_path / "b.avi", fps=100, loop=False)
    pictures = []
    with pytest.raises(CameraEndedError):
        while True:
            pictures.append(camera.read())
    camera.close()
    assert len(pictures) == 5
    assert all(is_whole(picture) for picture in pictures)


def test_a_video_of_damaged_frames_alone_does_not_turn_for_ever(tmp_path):
    write_video(tmp_path / "a.avi", [noise()] * 3, "mjpeg")
    content = bytearray((tmp_path / "a.avi").read_bytes())
    with av.open(str(tmp_path / "a.avi")) as whole:
        packets = [(packet.pos, packet.size) for packet in whole.demux() if packet.size]
    for position, size in packets:
        content[position + 2 : position + size] = b"\x55" * (size - 2)
    (tmp_path / "b.avi").write_bytes(content)
    with pytest.raises(CameraAbsentError, match="b.avi"):
        opened(tmp_path / "b.avi").read()


def test_a_file_that_is_no_video_is_named(tmp_path):
    (tmp_path / "notes.mp4").write_text("shopping list\n" * 100)
    assert "notes.mp4 is no video in a known format" in str(refusal(tmp_path / "notes.mp4"))


def test_a_video_may_have_a_colon_in_its_name(tmp_path, monkeypatch):
    write_video(tmp_path / "http:12:30.mp4", [plain(RED)] * 2)
    monkeypatch.chdir(tmp_path)
    camera = opened("http:12:30.mp4")
    assert has_color(camera.read(), RED)
    camera.close()


def test_a_phone_video_is_turned_upright(tmp_path):
    top_red = plain(BLUE, 320, 240)
    top_red[:120] = RED
    write_video(tmp_path / "a.mp4", [np.rot90(top_red)] * 3)  # lies on its side: turned a quarter to the left
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40

    def fixed(*values):
        return b"".join(value.to_bytes(4, "big", signed=True) for value in values)

    one = 1 << 16
    # "turn a quarter to the right for showing" (ISO 14496-12, 8.3.2: the matrix of the track header)
    content[matrix : matrix + 36] = fixed(0, one, 0, -one, 0, 0, 240 * one, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(content)
    picture = opened(tmp_path / "b.mp4").read()
    assert picture.shape == (240, 320, 3) and picture.flags.c_contiguous
    assert np.abs(picture[20, 160].astype(int) - np.array(RED)).max() <= 12
    assert np.abs(picture[220, 160].astype(int) - np.array(BLUE)).max() <= 12


@pytest.mark.skipif(not (DATA / "data/images").is_dir(), reason="no shared pictures (APPLIANCE_TEST_DATA)")
def test_a_photograph_comes_through_a_video_as_it_was(tmp_path):
    photograph = read_picture(DATA / "data/images/cat_720p.jpg")[:720, :1280]
    photograph = np.ascontiguousarray(photograph[: photograph.shape[0] // 2 * 2, : photograph.shape[1] // 2 * 2])
    write_video(tmp_path / "a.mp4", [photograph] * 2, options={"crf": "10"})
    picture = opened(tmp_path / "a.mp4").read()
    assert picture.shape == photograph.shape
    assert np.abs(picture.astype(int) - photograph).mean() < 3


# HTTP: streams


def multipart(next_picture, over, pause_s=0.02):
    """A page that sends pictures until there is none."""

    def page(handler):
        handler.begin_multipart()
        while not over.is_set() and (picture := next_picture()) is not None:
            handler.part(picture)
            over.wait(pause_s)

    return page


def test_the_newest_frame_of_an_mjpeg_stream_is_given_and_the_others_are_counted(web):
    sent = [0]

    def next_picture():
        sent[0] += 1
        return jpeg(level(sent[0]))

    web.pages["/live"] = multipart(next_picture, web.over)
    camera = opened(web.url + "/live")
    assert camera.live
    camera.read()
    dropped = camera.dropped
    target = sent[0] + 25
    assert eventually(lambda: sent[0] >= target)
    newest = camera.read().mean()
    assert newest >= target - 4  # not the next one in the queue
    assert camera.dropped >= dropped + 15
    camera.close()


def test_a_stream_that_is_closed_is_a_camera_that_went_away(web):
    web.pages["/live"] = multipart(iter([jpeg(plain(RED))] * 5 + [None]).__next__, web.over)
    camera = opened(web.url + "/live")
    with pytest.raises(CameraAbsentError, match="(ended the stream|broke the stream off); check"):
        while True:
            camera.read()
    camera.close()


def test_a_stream_that_falls_silent_is_stalled_and_closes_at_once(web):
    silent = threading.Event()

    def page(handler):
        handler.begin_multipart()
        while not silent.wait(0.02):
            handler.part(jpeg(plain(RED)))
        web.over.wait(20)

    web.pages["/live"] = page
    camera = opened(web.url + "/live")
    camera.read()
    silent.set()
    began = time.monotonic()
    with pytest.raises(CameraStalledError, match="/live went silent; check the camera and the network"):
        while True:
            camera.read()
    assert time.monotonic() - began < 5.5
    began = time.monotonic()
    camera.close()
    camera.close()
    assert time.monotonic() - began < 1


def test_closing_a_stream_hangs_up(web):
    web.pages["/live"] = multipart(lambda: jpeg(plain(RED)), web.over)
    camera = opened(web.url + "/live")
    camera.read()
    threads = threading.active_count()
    camera.close()
    assert eventually(lambda: threading.active_count() <= threads - 2)  # ours, and the server's for this connection


def test_cut_frames_of_a_stream_are_left_out(web):
    picture = jpeg(noise())
    turn = iter(range(10**9))
    web.pages["/live"] = multipart(lambda: picture if next(turn) % 2 == 0 else picture[: len(picture) // 2], web.over)
    camera = opened(web.url + "/live")
    assert all(is_whole(camera.read()) for _ in range(20))
    camera.close()


def test_a_stream_that_sends_only_damage_from_now_on_is_stalled(web):
    picture = jpeg(noise())
    worn = threading.Event()
    web.pages["/live"] = multipart(lambda: picture[: len(picture) // 2] if worn.is_set() else picture, web.over)
    camera = opened(web.url + "/live")
    camera.read()
    worn.set()
    with pytest.raises(CameraStalledError, match="nothing but damaged frames"):
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert is_whole(camera.read())
    camera.close()


def test_a_camera_that_never_writes_a_jpeg_to_the_letter_is_shown_all_the_same(web):
    sloppy = jpeg(noise())[:-4000] + b"\xff\xd9"
    web.pages["/live"] = multipart(lambda: sloppy, web.over)
    camera = opened(web.url + "/live")
    assert camera.read()[:100].std() > 20
    camera.close()


# HTTP: snapshots and files


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream"])
def test_a_snapshot_is_fetched_for_each_read_and_not_before(web, kind):
    colors = [RED]
    web.pages["/shot.jpg"] = lambda handler: handler.give(jpeg(plain(colors[0])), kind)
    camera = opened(web.url + "/shot.jpg")
    assert camera.live and has_color(camera.read(), RED)
    requests = len(web.requests)
    colors[0] = BLUE
    assert has_color(camera.read(), BLUE)
    colors[0] = GREEN
    assert has_color(camera.read(), GREEN)
    assert len(web.requests) == requests + 2
    camera.close()


def test_a_snapshot_that_is_gone_later_is_said(web):
    web.pages["/shot.jpg"] = lambda handler: handler.give(jpeg(plain(RED)), "image/jpeg")
    camera = opened(web.url + "/shot.jpg")
    camera.read()
    del web.pages["/shot.jpg"]
    with pytest.raises(CameraAbsentError, match=r"shot.jpg is not there \(404\)"):
        camera.read()
    camera.close()


def test_a_snapshot_that_hangs_is_stalled_within_the_limit(web):
    first = [True]

    def page(handler):
        if first:
            first.clear()
            handler.give(jpeg(plain(RED)), "image/jpeg")
        else:
            web.over.wait(20)

    web.pages["/shot.jpg"] = page
    camera = opened(web.url + "/shot.jpg")
    camera.read()
    began = time.monotonic()
    with pytest.raises(CameraStalledError, match="shot.jpg"):
        camera.read()
    assert time.monotonic() - began < 5.5
    camera.close()


def test_a_video_behind_an_address_is_a_recording(web):
    body = video_bytes([plain(RED), plain(BLUE)], "mjpeg", "avi", fps=50)
    web.pages["/a.avi"] = lambda handler: handler.give(body, "video/x-msvideo")
    camera = opened(web.url + "/a.avi", fps=50)
    assert not camera.live
    assert [has_color(camera.read(), RED) for _ in range(3)] == [True, False, True]
    camera.close()


# HTTP: refusals


def test_what_is_wrong_is_said_in_one_sentence(web):
    web.pages["/page"] = lambda handler: handler.give(b"<html><body>Welcome</body></html>" * 50, "text/html")
    web.pages["/broken"] = lambda handler: handler.send_error(500)
    web.pages["/full"] = lambda handler: handler.send_error(429)
    absent = {
        "/nowhere": "is not there (404); check the path",
        "/page": "answers, but not with a stream, a video or a picture; check the path",
        "/broken": "answers with an error of its own (5xx)",
    }
    for path, words in absent.items():
        error = refusal(web.url + path)
        assert error.state == "absent" and words in str(error) and path in str(error)
    assert refusal(web.url + "/full").state == "busy"


def test_a_closed_port_and_an_unknown_host_are_told_apart():
    error = refusal("http://127.0.0.1:1/live")
    assert error.state == "absent" and "nothing listens on port 1 of 127.0.0.1" in str(error)
    error = refusal("rtsp://127.0.0.1:1/live")
    assert error.state == "absent" and "nothing listens on port 1 of 127.0.0.1" in str(error)
    error = refusal("http://camera.invalid/live")
    assert error.state == "absent" and "no host of the name camera.invalid is known" in str(error)


def test_a_server_that_takes_the_request_and_says_nothing_is_stalled(web):
    web.pages["/live"] = lambda handler: web.over.wait(20)
    began = time.monotonic()
    error = refusal(web.url + "/live")
    assert error.state == "stalled" and "does not answer in time" in str(error)
    assert time.monotonic() - began < 6


# Credentials


def guarded(right, body):
    def page(handler):
        if handler.headers.get("Authorization") == right:
            handler.give(body, "image/jpeg")
        else:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    return page


def test_the_password_reaches_the_camera_and_nothing_else(web, password_file, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    web.pages["/shot.jpg"] = guarded(basic("vie wer", PASSWORD), jpeg(plain(RED)))
    secret = {"username": "vie wer", "password_file": password_file}
    camera = opened(web.url + "/shot.jpg?key=hidden", **secret)
    assert has_color(camera.read(), RED)
    shown = [camera.description]
    web.pages["/shot.jpg"] = guarded("another", b"")
    with pytest.raises(CameraAbsentError, match="refuses the name or the password; check camera.username") as caught:
        camera.read()
    camera.close()
    elsewhere = [web.url + "/nowhere?key=hidden", "http://127.0.0.1:1/?key=hidden"]
    for error in [caught.value, *(refusal(address, **secret) for address in elsewhere)]:
        assert error.__cause__ is None and error.__context__ is None  # a traceback would show libav's, with the address
        shown.append(str(error))
    shown += [caplog.text, *capfd.readouterr()]
    for text in shown:
        for piece in ("vie wer", "vie%20wer", PASSWORD, "p%40ss", "p@ss", "hidden"):
            assert piece not in text


def test_a_camera_that_asks_for_a_password_says_which_settings_give_it(web):
    web.pages["/shot.jpg"] = guarded(basic("a", "b"), b"")
    error = refusal(web.url + "/shot.jpg")
    assert error.state == "absent" and "set camera.username and camera.password_file" in str(error)


def test_a_password_file_that_others_can_read_is_warned_of_once(web, tmp_path, caplog):
    path = tmp_path / "open"
    path.write_text("b")
    path.chmod(0o644)
    web.pages["/shot.jpg"] = guarded(basic("a", "b"), jpeg(plain(RED)))
    for _ in range(2):
        opened(web.url + "/shot.jpg", username="a", password_file=path).close()
    assert caplog.text.count("can be read by others") == 1


def test_a_certificate_that_nobody_signed_is_not_trusted(web, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.pages["/shot.jpg"] = lambda handler: handler.give(jpeg(plain(RED)), "image/jpeg")
    address = f"https://localhost:{web.server_port}/shot.jpg"
    error = refusal(address)
    words = "the certificate is not trusted (self-signed certificate)"
    assert error.state == "absent" and words in str(error).replace("self signed", "self-signed")
    assert web.requests == []  # so no password either
    script = (
        "import sys; from appliance.camera.open import open_camera; from appliance.settings.schema import CameraSettings;"
        "print(open_camera(CameraSettings(source=sys.argv[1]), (224, 224)).read()[120, 160].tolist())"
    )
    trusting = {**os.environ, "SSL_CERT_FILE": str(certificate), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, address], env=trusting, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert has_color(np.full((2, 2, 3), json.loads(done.stdout)), RED)


# RTSP


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "udp"])
def test_an_rtsp_stream_gives_its_newest_frame(tcp):
    with rtsp_camera(tcp=tcp) as server:
        camera = opened(server.url)
        assert camera.live and has_color(camera.read(), RED)
        server.color = BLUE
        assert eventually(lambda: has_color(camera.read(), BLUE), 3)
        dropped = camera.dropped
        assert eventually(lambda: camera.dropped > dropped + 5)  # nobody reads
        camera.close()
        assert "TCP" in server.transports[0]  # tried first
        assert ("TCP" in server.transports[-1]) == tcp


def test_an_rtsp_stream_that_drops_and_comes_back():
    with rtsp_camera() as server:
        camera = opened(server.url)
        camera.read()
        server.drop()
        with pytest.raises(CameraAbsentError, match="/cam (ended the stream|broke the stream off)"):
            while True:
                camera.read()
        camera.close()
        camera = opened(server.url)
        assert has_color(camera.read(), RED)
        camera.close()


def test_an_rtsp_stream_that_falls_silent_is_stalled():
    with rtsp_camera() as server:
        camera = opened(server.url)
        camera.read()
        server.silent.set()
        began = time.monotonic()
        with pytest.raises(CameraStalledError):
            while True:
                camera.read()
        assert time.monotonic() - began < 6
        camera.close()


def test_rtsp_credentials(password_file, caplog):
    with rtsp_camera(password=PASSWORD) as server:
        camera = opened(server.url, username="viewer", password_file=password_file)
        assert has_color(camera.read(), RED)
        camera.close()
        assert "set camera.username and camera.password_file" in str(refusal(server.url))
        error = refusal(server.url, username="another", password_file=password_file)
        assert "refuses the name or the password" in str(error) and error.__context__ is None
        error = refusal(server.url.replace("/cam", "/door"), username="viewer", password_file=password_file)
        assert "is not there (404)" in str(error)
    assert PASSWORD not in caplog.text
