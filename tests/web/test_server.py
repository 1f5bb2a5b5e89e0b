"""TLS, wrong certificates, and fuzzing from the API's own description."""

import socket
import ssl
import subprocess
import sys
import time

import pytest

from support.broker import wait_until
from support.web import HOST, WebClient, WebDevice


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += [
        "-subj",
        "/CN=t",
        "-addext",
        f"subjectAltName=IP:{HOST}",
        "-keyout",
        folder / "key",
        "-out",
        folder / "crt",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_page_over_tls_sets_a_secure_cookie(tmp_path, certificate):
    with WebDevice(tmp_path, cert_file=certificate / "crt", key_file=certificate / "key") as device:
        client = WebClient(device.port, tls=ssl.create_default_context(cafile=str(certificate / "crt")))
        assert device.service.page.make_link().startswith("https://")
        answer = client.send("POST", "/api/session", {"code": device.access.make_code()}, {"Origin": client.origin})
        assert answer.status == 204 and "Secure" in answer.headers["set-cookie"]
        assert client.get("/").headers["cross-origin-opener-policy"] == "same-origin"
        # A plain request on the TLS port, and a handshake that never begins, harm nobody.
        assert WebClient(device.port).raw(b"GET / HTTP/1.1\r\n\r\n", 1) is not None
        with socket.create_connection((HOST, device.port)):
            assert client.get("/healthz").status == 204


def test_200_handshakes_that_never_begin_shut_nobody_out(tmp_path, certificate):
    with WebDevice(tmp_path, cert_file=certificate / "crt", key_file=certificate / "key") as device:
        client = WebClient(device.port, tls=ssl.create_default_context(cafile=str(certificate / "crt")))
        idle = [socket.create_connection((HOST, device.port)) for _ in range(200)]
        try:
            for _ in range(5):
                assert client.get("/healthz").status == 204
        finally:
            for each in idle:
                each.close()


def test_certificate_that_cannot_be_used_costs_only_the_page(tmp_path, certificate):
    (tmp_path / "key").write_text("no key")
    with WebDevice(tmp_path, cert_file=certificate / "crt", key_file=tmp_path / "key") as device:
        assert device.service.page.viewers is None and "web.key_file" in device.service.page._error


@pytest.mark.slow
def test_fuzzed_requests_get_no_500_and_delay_no_frame(device, admin, tmp_path):
    """60 s from the API's description, with a fixed seed; the slow paths are streams, and restart ends the daemon."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://{HOST}:{device.port}/api/openapi.json",
        "-H", f"Authorization: {admin.headers['Authorization']}", "--seed", "1", "--max-time", "60", "--no-color",
        "--generation-deterministic",
        "--checks", "not_a_server_error", "--continue-on-failure",
        "--exclude-path-regex", "/api/(labels|stream.mjpg|restart|running|frame.jpg)",
    ]  # fmt: skip
    before = device.device.latest_frame().number
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, cwd=tmp_path)
    frames, seconds = device.device.latest_frame().number - before, time.monotonic() - began_s
    assert "Server error" not in done.stdout, done.stdout[-5000:]
    assert "Tested:" in done.stdout, done.stdout[-3000:] + done.stderr[-2000:]
    assert frames > 0.5 * 10 * seconds, f"{frames} frames in {seconds:.0f} s"
    wait_until(lambda: admin.get("/api/status").status == 200, "the page answers")
