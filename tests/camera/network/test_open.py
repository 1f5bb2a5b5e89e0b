"""What an http(s) address opens: every form of MJPEG stream, snapshots, and what is refused with its name."""

import threading

import pytest

from appliance.camera.source import CameraState
from support.streams import BLUE, RED, has_color, jpeg, noise, open_source, opening_error, plain, png, reading_error

JPEG, PNG = jpeg(plain(RED)), png(plain(RED))
SOUND = b"--shot\r\nContent-Type: audio/basic\r\n\r\n" + noise(4, 20, 10).tobytes() + b"\r\n"


def stream(web, kind, part, picture=JPEG):
    """Serve a stream of the same part again and again under /live."""

    def page(handler):
        handler.send_response(200)
        if kind:
            handler.send_header("Content-Type", kind)
        handler.end_headers()
        while not web.over.wait(0.02):
            handler.wfile.write(part.replace(b"%b", picture))

    web.pages["/live"] = page


MIXED = "multipart/x-mixed-replace; boundary=shot"
FORMS = {
    "image/jpg": (MIXED, b"--shot\r\nContent-Type: image/jpg\r\n\r\n%b\r\n"),
    "charset": (MIXED, b"--shot\r\nContent-Type: image/jpeg; charset=utf-8\r\n\r\n%b\r\n"),
    "no part type": (MIXED, b"--shot\r\n\r\n%b\r\n"),
    "no first boundary": (MIXED, b"Content-Type: image/jpeg\r\n\r\n%b\r\n--shot\r\n"),
    "boundary without dashes": (MIXED, b"shot\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "line feeds": (MIXED, b"--shot\nContent-Type: image/jpeg\n\n%b\n"),
    "nothing before the boundary": (MIXED, b"--shot\r\nContent-Type: image/jpeg\r\n\r\n%b"),
    "length too long": (MIXED, b"--shot\r\nContent-Type: image/jpeg\r\nContent-Length: 9999\r\n\r\n%b\r\n"),
    "length too short": (MIXED, b"--shot\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n%b\r\n"),
    "header without colon": (MIXED, b"--shot\r\nhello\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "sound between": (MIXED, SOUND + b"--shot\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "quoted boundary": ('multipart/x-mixed-replace;boundary="--shot"', b"--shot\r\n\r\n%b\r\n"),
    "no boundary parameter": ("multipart/x-mixed-replace", b"--shot\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "another multipart": ("multipart/mixed; boundary=shot", b"--shot\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "no type at all": ("", b"--shot\r\nContent-Type: image/jpeg\r\n\r\n%b\r\n"),
    "no type and no part type": ("", b"--shot\r\n\r\n%b\r\n"),
    "pictures without parts": ("video/x-motion-jpeg", b"%b"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("picture", [JPEG, PNG], ids=["jpeg", "png"])
def test_malformed_stream_plays(web, form, picture):
    stream(web, *FORMS[form], picture)
    camera = open_source(web.url + "/live")
    for _ in range(3):
        assert has_color(camera.read(), RED)
    assert camera.live and "MJPEG, 320 x 240" in camera.description and "frames/s" not in camera.description
    assert len(web.requests) == 1 and not camera.damaged
    camera.close()


def test_stream_of_another_form_is_named(web):
    stream(web, MIXED, b"--shot\r\nContent-Type: video/h264\r\n\r\n\0\0\0\1" + bytes(500))
    web.over.wait(0)
    camera = open_source(web.url + "/live")
    threading.Timer(0.3, web.over.set).start()
    error = str(reading_error(camera))
    assert "multipart/x-mixed-replace that contains no JPEG or PNG" in error and "video/h264" in error
    camera.close()


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("text/html", b"<html>", "answers with a page (text/html)"),
        ("", b"<!DOCTYPE html>", "answers with a page"),
        ("application/json", b"{}", "answers with a page (application/json)"),
        ("image/jpeg", b"", "empty response"),
    ],
)
def test_answer_without_pictures_is_refused_with_its_type(web, kind, body, words):
    web.pages["/live"] = lambda handler: handler.give(body, kind)
    error = opening_error(web.url + "/live")
    assert CameraState.from_error(error) == "absent" and words in str(error)


def test_passing_error_while_opening_is_tried_again(web):
    turn = iter(range(100))

    def page(handler):
        if next(turn) < 2:
            handler.send_error(503)
        else:
            handler.give(JPEG, "image/jpeg")

    web.pages["/shot"] = page
    camera = open_source(web.url + "/shot")
    assert has_color(camera.read(), RED) and len(web.requests) == 3
    camera.close()


@pytest.mark.parametrize("kind", ["gif", "bmp", "png", "jpeg"])
def test_snapshot_of_any_format_is_shown_with_size_and_no_rate(web, kind):
    web.pages["/shot"] = lambda handler: handler.give(png(plain(BLUE), kind), "application/octet-stream")
    camera = open_source(web.url + "/shot")
    assert has_color(camera.read(), BLUE)
    assert f"{kind.upper()} snapshots, 320 x 240" in camera.description and "/s" not in camera.description[-30:]
    camera.close()
