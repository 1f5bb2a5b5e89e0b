"""Requests to servers that misbehave: limits hold, and errors name the reason."""

import threading
import time

import pytest

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.transport.http import Http
from support.broker import Certificates
from support.model_server import Drip, Endless, Longer, ModelServer, Redirect, Stall, Status, Truncate
from support.transport import BIG, CONTENT


def test_unchanged_file_is_not_sent_again(http, server):
    first = http.get(server.url("/m"))
    again = http.get(server.url("/m"), known=first.validators)
    assert (first.status, first.body, first.is_unchanged) == (200, CONTENT, False)
    assert again.is_unchanged and again.body == b""


@pytest.mark.parametrize("kind", ["head", "get"])
def test_server_without_head_is_asked_with_get(http, server, kind):
    server.put("/big", bytes(50_000_000))
    if kind == "get":
        server.fault("/big", Status(405), times=1)
    answer = http.head(server.url("/big"))
    assert (answer.length, bool(answer.validators)) == (50_000_000, True)
    assert server.asked("/big")[-1].method == kind.upper()


@pytest.mark.parametrize(
    ("status", "word"),
    [(403, "403"), (404, "not found"), (410, "permanently removed"), (429, "too many"), (500, "500"), (503, "503")],
)
def test_status_without_success_is_an_error(http, server, status, word):
    server.fault("/m", Status(status, b"why", {"Retry-After": "120"}))
    with pytest.raises(HttpStatusError, match=word) as caught:
        http.get(server.url("/m?key=s3cret"))
    assert (caught.value.status, caught.value.retry_after_s, caught.value.body) == (status, 120, b"why")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("fault", [Endless(), Longer(BIG), Longer(BIG, announced=False)])
def test_large_response_is_refused(http, server, fault):
    server.fault("/m", fault)
    with pytest.raises(SourceError, match=r"more than the limit of \d+"):
        http.get(server.url("/m"), max_bytes=400_000)


@pytest.mark.parametrize("fault", [Stall(0), Stall(100), Stall(-1)])
def test_silent_server_is_abandoned(http, server, fault):
    server.fault("/m", fault)
    with pytest.raises(SourceError, match=r"sent nothing for 0\.4 s"):
        http.get(server.url("/m"))


@pytest.mark.parametrize("head", [True, False])
def test_slow_server_is_abandoned_after_the_time_limit(http, server, head):
    server.fault("/m", Drip(every_s=0.1, head=head))
    start_s = time.monotonic()
    with pytest.raises(SourceError, match=r"did not finish its response within 1\.5 s"):
        http.get(server.url("/m"))
    assert time.monotonic() - start_s < 3


def test_truncated_response_is_an_error(http, server):
    server.fault("/m", Truncate(1000))
    with pytest.raises(SourceError, match="ended|broke"):
        http.get(server.url("/m"))


def test_keys_do_not_follow_a_redirect_to_another_server(http, server):
    headers = {"X-Goog-Api-Key": "s3cret", "Authorization": "Bearer s3cret"}
    headers |= {"Accept": "x/y", "If-None-Match": '"old"', "Range": "bytes=0-"}
    with ModelServer() as other:
        other.put("/m", CONTENT)
        server.fault("/elsewhere", Redirect(other.url("/m")))
        server.fault("/here", Redirect(server.url("/m")))
        for path in ("/elsewhere", "/here"):
            http.get(server.url(path), headers=headers, statuses=(206,))
        there, here = other.asked("/m")[0].headers, server.asked("/m")[0].headers
    sent = {name.lower(): value for name, value in headers.items()}
    assert sent.items() <= here.items()
    assert {name: there.get(name) for name in sent} == {**sent, "x-goog-api-key": None, "authorization": None}


def test_redirect_is_followed_to_https_or_this_machine_only(http, server):
    server.fault("/from", Redirect(server.url("/m")), times=1)
    assert http.get(server.url("/from")).body == CONTENT
    server.fault("/from", Redirect("http://models.example.org/m?token=s3cret"), times=1)
    with pytest.raises(SourceError, match=r"redirects to http://.*, which is not followed: it is not https") as caught:
        http.get(server.url("/from"))
    assert "s3cret" not in str(caught.value)
    server.fault("/loop", Redirect(server.url("/loop")))
    with pytest.raises(SourceError, match="more than 5 times"):
        http.get(server.url("/loop"))
    with pytest.raises(SourceSettingsError, match="not an https address"):
        http.get("http://models.example.org/m")


def test_absent_server_is_an_error(http):
    with ModelServer() as gone:
        address = gone.url("/m")
    with pytest.raises(SourceError, match="refuses the connection"):
        http.get(address)
    with pytest.raises(SourceError, match="cannot be found"):
        http.get("https://models.invalid/m")


def test_untrusted_certificate_is_refused(http, tmp_path):
    import ssl
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    cert, key = Certificates(tmp_path).sign("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as tls:
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        tls.handle_error = lambda *_: None
        threading.Thread(target=tls.serve_forever, daemon=True).start()
        with pytest.raises(SourceError, match="no secure connection to https://127.0.0.1.*certificate"):
            http.get(f"https://127.0.0.1:{tls.server_port}/m")
        tls.shutdown()


def test_request_in_progress_ends_when_the_program_stops(server):
    http = Http()
    server.fault("/m", Stall(10))
    timer = threading.Timer(0.2, http.close)
    timer.start()
    start_s = time.monotonic()
    with pytest.raises(SourceError, match="the program is stopping"):
        http.get(server.url("/m"))
    assert time.monotonic() - start_s < 5
