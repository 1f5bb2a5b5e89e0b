"""Addresses of network cameras: credentials reach the camera and appear nowhere else."""

import json
import logging
import os
import ssl
import subprocess
import sys

import numpy as np
import pytest

from appliance.camera.source import CameraState
from appliance.camera.stream.address import parse_address
from appliance.settings.schema import CameraSettings
from support.paths import ROOT
from support.rtsp import rtsp_camera
from support.streams import (
    PASSWORD,
    RED,
    basic,
    has_color,
    jpeg,
    open_source,
    opening_error,
    plain,
    reading_error,
)


@pytest.mark.parametrize(
    ("source", "display_url", "host", "port"),
    [
        ("rtsp://camera/live", "rtsp://camera/live", "camera", 554),
        ("https://camera/a?key=hidden", "https://camera/a?…", "camera", 443),
        ("http://[::1]:8080/shot.jpg", "http://[::1]:8080/shot.jpg", "::1", 8080),
    ],
)
def test_address_is_parsed_with_a_display_form(source, display_url, host, port):
    address = parse_address(CameraSettings(source=source))
    assert (address.display_url, address.host, address.port) == (display_url, host, port)
    assert address.url == source and not address.has_credentials


def test_credentials_are_encoded_and_hidden(password_file):
    settings = CameraSettings(source="rtsp://camera:8554/live", username="vie wer", password_file=password_file)
    address = parse_address(settings)
    assert address.url == "rtsp://vie%20wer:p%40ss%3A%2F%23wd%20%2541@camera:8554/live"
    assert address.has_credentials and address.display_url == "rtsp://camera:8554/live"
    assert "p%40ss" not in repr(address)


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


def test_password_reaches_the_camera_and_nothing_else(web, password_file, caplog, capfd, monkeypatch):
    monkeypatch.setattr("appliance.camera.network.camera.MIN_FAILURE_S", 0.3)
    caplog.set_level(logging.DEBUG)
    web.pages["/shot.jpg"] = guarded(basic("vie wer", PASSWORD), jpeg(plain(RED)))
    secret = {"username": "vie wer", "password_file": password_file}
    camera = open_source(web.url + "/shot.jpg?key=hidden", **secret)
    assert has_color(camera.read(), RED)
    texts = [camera.description]
    web.pages["/shot.jpg"] = guarded("another", b"")
    rejection = reading_error(camera)
    assert "rejects the user name or the password; check camera.username" in str(rejection)
    camera.close()
    other_addresses = [web.url + "/nowhere?key=hidden", "http://127.0.0.1:1/?key=hidden"]
    for error in [rejection, *(opening_error(address, **secret) for address in other_addresses)]:
        assert (
            error.__cause__ is None and error.__context__ is None
        )  # a traceback would show libav's error with the address
        texts.append(str(error))
    texts += [caplog.text, *capfd.readouterr()]
    for text in texts:
        for piece in ("vie wer", "vie%20wer", PASSWORD, "p%40ss", "p@ss", "hidden"):
            assert piece not in text


def test_missing_password_error_names_the_settings(web):
    web.pages["/shot.jpg"] = guarded(basic("a", "b"), b"")
    error = opening_error(web.url + "/shot.jpg")
    assert CameraState.from_error(error) == "absent" and "set camera.username and camera.password_file" in str(error)


def test_readable_password_file_is_logged_once(web, tmp_path, caplog):
    path = tmp_path / "open"
    path.write_text("b")
    path.chmod(0o644)
    web.pages["/shot.jpg"] = guarded(basic("a", "b"), jpeg(plain(RED)))
    for _ in range(2):
        open_source(web.url + "/shot.jpg", username="a", password_file=path).close()
    assert caplog.text.count("can be read by others") == 1


def test_self_signed_certificate_is_not_trusted(web, tmp_path):
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
    error = opening_error(address)
    words = "its certificate is not signed by an authority that this system trusts (self-signed certificate)"
    assert CameraState.from_error(error) == "absent" and words in str(error).replace("self signed", "self-signed")
    assert web.requests == []  # so no password either
    script = (
        "import sys\n"
        "from appliance.camera.open import open_camera\n"
        "from appliance.settings.schema import CameraSettings\n"
        "print(open_camera(CameraSettings(source=sys.argv[1]), (224, 224)).read()[120, 160].tolist())"
    )
    trusting = {**os.environ, "SSL_CERT_FILE": str(certificate), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, address], env=trusting, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert has_color(np.full((2, 2, 3), json.loads(done.stdout)), RED)


def test_rtsp_credentials_are_checked(password_file, caplog):
    with rtsp_camera(password=PASSWORD) as server:
        camera = open_source(server.url, username="viewer", password_file=password_file)
        assert has_color(camera.read(), RED)
        camera.close()
        assert "set camera.username and camera.password_file" in str(opening_error(server.url))
        error = opening_error(server.url, username="another", password_file=password_file)
        assert "rejects the user name or the password" in str(error) and error.__context__ is None
        error = opening_error(server.url.replace("/cam", "/other"), username="viewer", password_file=password_file)
        assert "does not exist (404)" in str(error)
    assert PASSWORD not in caplog.text
