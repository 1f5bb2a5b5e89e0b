"""RTSP through the relay: logins, certificates, redirects, and what a failure really was."""

import socket
import ssl
import threading
import time

import pytest

from appliance.camera.source import CameraState
from appliance.camera.stream.address import parse_address
from appliance.camera.stream.rtsp_relay import MAX_UNANSWERED, RtspRelay
from appliance.settings.schema import CameraSettings
from appliance.transport.login import Login
from appliance.transport.trust import Trust, format_fingerprint
from support.broker import Certificates
from support.rtsp import rtsp_camera
from support.streams import RED, eventually, has_color, open_source, opening_error

LONG_PASSWORD = "p@ss:/#wd %41 " + "ä" * 150  # far more than 127 characters, once percent-encoded


@pytest.fixture
def login(tmp_path):
    """Return login(password) → the settings of a user with this password."""

    def make(password: str) -> dict:
        path = tmp_path / "password"
        path.write_text(password + "\n" if password else "")
        path.chmod(0o600)
        return {"username": "viewer", "password_file": path}

    return make


def plays(url: str, **settings) -> bool:
    camera = open_source(url, **settings)
    try:
        return has_color(camera.read(), RED)
    finally:
        camera.close()


@pytest.mark.parametrize("kind", ["digest", "digest-sha-256", "basic"])
@pytest.mark.parametrize("password", [LONG_PASSWORD, "", 'with "quotes" and \\'], ids=["long", "empty", "quotes"])
def test_rtsp_login_works(login, kind, password):
    with rtsp_camera(password=password, login=kind) as server:
        assert plays(server.url, **login(password))


def test_rtsp_user_without_password_file_sends_an_empty_password():
    with rtsp_camera(password="", login="digest") as server:
        assert plays(server.url, username="viewer")


@pytest.mark.parametrize(
    ("faults", "settings", "fact"),
    [
        ({"password": "right"}, None, "requires a user name and a password; set camera.username"),
        ({"password": "right"}, "wrong", "rejects the user name or the password; check camera.username"),
        ({"password": "x", "login": "negotiate"}, "x", "a login that is not supported (negotiate)"),
        ({"media": "audio"}, None, "offers only sound; check the path"),
        ({"redirect": "http://127.0.0.1/"}, None, "rejects the request DESCRIBE (302 Moved)"),
    ],
)
def test_refusal_of_an_rtsp_camera_is_named(login, faults, settings, fact):
    with rtsp_camera(**faults) as server:
        error = opening_error(server.url, **(login(settings) if settings else {}))
    assert CameraState.from_error(error) == "absent" and fact in str(error)


def test_missing_rtsp_path_is_named():
    with rtsp_camera() as server:
        assert "does not exist (404); check the path" in str(opening_error(server.url.replace("/cam", "/door")))


def test_rtsp_redirect_is_followed_with_the_login(login):
    with rtsp_camera(password="x") as target, rtsp_camera(redirect=target.url) as server:
        assert plays(server.url, **login("x"))


def test_silent_rtsp_host_is_stalled_and_not_taken_for_another_kind(monkeypatch):
    monkeypatch.setattr("appliance.camera.stream.rtsp_relay.REPLY_LIMIT_S", 0.5)
    with rtsp_camera() as server:
        server.mute.set()
        error = opening_error(server.url)
    assert CameraState.from_error(error) == "stalled"
    assert "accepts connections, but does not answer RTSP requests" in str(error)


def test_web_server_at_an_rtsp_address_is_named(web):
    error = opening_error(web.url.replace("http://", "rtsp://") + "/live")
    assert "answers, but not with RTSP (" in str(error) and "HTML" in str(error)


def test_rtsps_certificate_is_checked_and_can_be_trusted_alone(tmp_path):
    certificate, key = Certificates(tmp_path / "pki").sign("camera")
    fingerprint = format_fingerprint(ssl.PEM_cert_to_DER_cert(certificate.read_text()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with rtsp_camera(context=context) as server:
        error = opening_error(server.url)
        assert "certificate" in str(error) and fingerprint in str(error)
        assert plays(server.url, tls_fingerprint=fingerprint)
        assert "shows another certificate" in str(opening_error(server.url, tls_fingerprint="AB" * 32))


def test_relay_passes_nothing_on_for_another_local_program(login):
    with rtsp_camera(password="x") as server:
        settings = CameraSettings(source=server.url)
        relay = RtspRelay(parse_address(settings), server.url, Login("viewer", "x"), Trust())
        port = int(relay.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as other:
            other.sendall(b"DESCRIBE rtsp://127.0.0.1/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            assert other.recv(100) == b""
        relay.close()
        assert server.requests == []


def test_requests_that_the_camera_never_answers_are_forgotten():
    with rtsp_camera() as server:
        server.mute.set()
        relay = RtspRelay(parse_address(CameraSettings(source=server.url)), server.url, None, Trust())
        port = int(relay.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as libav:
            for number in range(200):
                libav.sendall(f"OPTIONS {relay.url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
            assert eventually(lambda: relay._number == 200)
            assert len(relay._sent) <= MAX_UNANSWERED
        relay.close()


def test_closing_interrupts_a_camera_that_is_opening():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        threads = threading.active_count()
        began = time.monotonic()
        camera = open_source(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/cam")
        camera.close()
        assert time.monotonic() - began < 6.5
        assert threading.active_count() <= threads
