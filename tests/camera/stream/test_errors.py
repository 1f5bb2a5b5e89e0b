"""Errors of libav as camera errors: fact, remedy and state; from real servers, and from exceptions built here."""

import errno
import time
from pathlib import Path

import av.error
import pytest

from appliance.camera.source import CameraState
from appliance.camera.stream.address import CameraAddress
from appliance.camera.stream.errors import (
    UnsupportedOptionsError,
    convert_address_error,
    convert_device_error,
    convert_file_error,
)
from support.streams import opening_error

CAMERA = CameraAddress("rtsp://user:secret@camera/live", "rtsp://camera/live", "rtsp", "camera", 554, True)
DEVICE = Path("/dev/video77")


def libav_error(cls: type[av.error.FFmpegError], code: int = 1) -> av.error.FFmpegError:
    """Return an error of libav whose text contains a password, as an address does."""
    return cls(code, "description", "rtsp://user:secret@camera/live")


@pytest.mark.parametrize(
    ("error", "opening", "state", "fact"),
    [
        (FileNotFoundError(), True, "absent", "a.mp4 does not exist; check camera.source"),
        (PermissionError(), True, "absent", "a.mp4 cannot be read by"),
        (libav_error(av.error.TimeoutError, errno.ETIMEDOUT), False, "stalled", "check the disk"),
        (libav_error(av.error.InvalidDataError), True, "absent", "not a video in a known format"),
        (libav_error(av.error.InvalidDataError), False, "absent", "could not be read: description"),
    ],
)
def test_file_error_has_state_and_fact(error, opening, state, fact):
    converted = convert_file_error(error, Path("a.mp4"), opening)
    assert CameraState.from_error(converted) == state and fact in str(converted)


@pytest.mark.parametrize(
    ("error", "opening", "state", "fact"),
    [
        (FileNotFoundError(), True, "absent", "/dev/video77 does not exist; plug the camera in"),
        (PermissionError(), True, "absent", "sudo usermod -aG video"),
        (OSError(errno.EBUSY, "busy"), True, "busy", "/dev/video77 is in use by another program"),
        (libav_error(av.error.ExitError), False, "stalled", "delivers no frames; unplug"),
        (OSError(errno.ENOTTY, "x"), True, "absent", "is not a camera"),
        (OSError(errno.ENODEV, "x"), False, "absent", "disappeared; check the camera's cable"),
        (OSError(errno.EPROTO, "Protocol error"), True, "absent", "could not be opened: Protocol error"),
    ],
)
def test_device_error_has_state_and_fact(error, opening, state, fact):
    converted = convert_device_error(error, DEVICE, opening)
    assert CameraState.from_error(converted) == state and fact in str(converted)


def test_device_error_for_options_lets_others_be_tried():
    error = OSError(errno.EINVAL, "Invalid argument")
    assert isinstance(convert_device_error(error, DEVICE, opening=True), UnsupportedOptionsError)
    assert not isinstance(convert_device_error(error, DEVICE, opening=False), UnsupportedOptionsError)


@pytest.mark.parametrize(
    ("error", "opening", "state", "fact"),
    [
        (libav_error(av.error.TimeoutError, errno.ETIMEDOUT), True, "stalled", "does not answer in time"),
        (libav_error(av.error.ExitError), False, "stalled", "stopped sending frames"),
        (libav_error(av.error.HTTPTooManyRequestsError), True, "busy", "too many other clients (429)"),
        (libav_error(av.error.HTTPUnauthorizedError), True, "absent", "rejects the user name or the password"),
        (libav_error(av.error.HTTPForbiddenError), True, "absent", "rejects the user name or the password"),
        (libav_error(av.error.HTTPNotFoundError), True, "absent", "does not exist (404)"),
        (libav_error(av.error.HTTPServerError), True, "absent", "internal error (5xx)"),
        (libav_error(av.error.HTTPBadRequestError), True, "absent", "rejects the request (400); check the path"),
        (ConnectionRefusedError(), True, "absent", "nothing listens on port 554 of camera"),
        (OSError(errno.EHOSTUNREACH, "x"), True, "absent", "camera cannot be reached"),
        (OSError(errno.EPIPE, "x"), False, "absent", "interrupted the stream"),
        (libav_error(av.error.HTTPOtherClientError), True, "absent", "rejects the request (4xx); check the path"),
        (OSError(errno.EIO, "x"), True, "absent", "ended the connection before a stream began; check the path"),
        (libav_error(av.error.InvalidDataError), True, "absent", "sends data, but no stream"),
        (libav_error(av.error.ProtocolNotFoundError), True, "absent", "could not be opened (description)"),
    ],
)
def test_address_error_has_state_and_fact(error, opening, state, fact):
    converted = convert_address_error(error, CAMERA, opening)
    assert CameraState.from_error(converted) == state and fact in str(converted)
    assert str(converted).startswith("rtsp://camera/live") and "secret" not in str(converted)


# From real servers


def test_http_errors_are_explained(web):
    web.pages["/page"] = lambda handler: handler.give(b"<html><body>Welcome</body></html>" * 50, "text/html")
    web.pages["/broken"] = lambda handler: handler.send_error(500)
    web.pages["/full"] = lambda handler: handler.send_error(429)
    absent = {
        "/nowhere": "does not exist (404); check the path",
        "/page": "(text/html), but not with a stream, a video or a picture; check the path",
        "/broken": "reports an internal error (500)",
    }
    for path, words in absent.items():
        error = opening_error(web.url + path)
        assert CameraState.from_error(error) == "absent" and words in str(error) and path in str(error)
    assert CameraState.from_error(opening_error(web.url + "/full")) == "busy"


def test_closed_port_and_unknown_host_are_distinguished():
    error = opening_error("http://127.0.0.1:1/live")
    assert CameraState.from_error(error) == "absent" and "nothing listens on port 1 of 127.0.0.1" in str(error)
    error = opening_error("rtsp://127.0.0.1:1/live")
    assert CameraState.from_error(error) == "absent" and "nothing listens on port 1 of 127.0.0.1" in str(error)
    error = opening_error("http://camera.invalid/live")
    assert CameraState.from_error(error) == "absent" and "the host name camera.invalid is unknown" in str(error)


def test_server_that_never_answers_is_stalled(web, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.open.FIRST_SNAPSHOT_LIMIT_S", 1.0)
    web.pages["/live"] = lambda handler: web.over.wait(20)
    began = time.monotonic()
    error = opening_error(web.url + "/live")
    assert CameraState.from_error(error) == "stalled" and "does not answer in time" in str(error)
    assert time.monotonic() - began < 6
