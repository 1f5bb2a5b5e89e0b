"""What requests of one client share: connection, cookies and login; plain http only where it is allowed."""

import socket

import pytest

from appliance.errors import SourceError, SourceSettingsError, SourceTimeoutError
from appliance.transport.http import Http, HttpLimits
from appliance.transport.login import Login
from appliance.transport.session import SessionState
from support.streams import basic, web_camera


@pytest.fixture
def web():
    with web_camera() as server:
        yield server


def test_number_of_cookies_is_bounded(web):
    sent = []

    def page(handler):
        sent.append(len(handler.headers.get("Cookie", "")))
        handler.send_response(200)
        handler.send_header("Set-Cookie", f"n{len(sent)}={'x' * 50}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.pages["/"] = page
    http = Http()
    for _ in range(250):
        http.get(web.url + "/")
    assert max(sent) < 8000
    http.close()


def test_login_is_sent_only_after_a_challenge_and_kept(web):
    sent = []

    def page(handler):
        sent.append(handler.headers.get("Authorization"))
        handler.send_response(200 if sent[-1] else 401)
        handler.send_header("WWW-Authenticate", 'Basic realm="x"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.pages["/"] = page
    http = Http(state=SessionState(Login("a", "b")))
    for _ in range(3):
        assert http.get(web.url + "/").status == 200
    assert sent == [None, basic("a", "b"), basic("a", "b"), basic("a", "b")]
    http.close()


def test_plain_http_needs_permission_and_never_follows_https(web):
    with pytest.raises(SourceSettingsError):
        Http().get("http://camera.invalid/")
    http = Http(allow_http=lambda host: host == "camera.invalid")
    with pytest.raises(SourceError, match="cannot be found"):
        http.get("http://camera.invalid/")
    with pytest.raises(SourceSettingsError):
        http.get("http://other.invalid/")


def test_deadline_can_be_lifted_for_an_endless_response(web):
    def page(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(10):
            web.over.wait(0.1)
            handler.wfile.write(b"x")

    web.pages["/"] = page
    http = Http()
    with http.stream(web.url + "/", {}, 0.5) as response:
        response.lift_deadline()
        assert b"".join(response.iterate_chunks()) == b"x" * 10
    with pytest.raises(SourceTimeoutError), http.stream(web.url + "/", {}, 0.5) as response:
        list(response.iterate_chunks())
    http.close()


def test_refusal_and_silence_are_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SourceTimeoutError):
            Http(HttpLimits(connect_s=1, silence_s=0.3)).get(f"http://127.0.0.1:{port}/")
    with pytest.raises(SourceError, match="refuses") as caught:
        Http().get(f"http://127.0.0.1:{port}/")
    assert not isinstance(caught.value, SourceTimeoutError)
