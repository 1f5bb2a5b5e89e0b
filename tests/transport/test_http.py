"""Requests and downloads against a server that misbehaves: bounds hold, breaks are resumed, sentences are plain."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from appliance.errors import HttpStatusError, SourceChangedError, SourceError, SourceSettingsError
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http, HttpLimits
from appliance.transport.responses import Validators, parse_retry_after_s
from support.broker import Certificates
from support.model_server import Body, Drip, Endless, Longer, ModelServer, Plain, Redirect, Stall, Status, Truncate
from support.paths import CHILD_ENVIRONMENT

QUICK = HttpLimits(connect_s=2, silence_s=0.4, answer_s=1.5, download_s=5, slow_bytes_per_s=2000, slow_window_s=0.3)
CONTENT = bytes(range(256)) * 1200
BIG = 10_000_000


@pytest.fixture
def server():
    with ModelServer() as server:
        server.put("/m", CONTENT)
        yield server


@pytest.fixture
def http():
    http = Http(QUICK)
    yield http
    http.close()


def fetch(http, server, folder, path="/m", **wanted):
    target = folder / "file"
    download(http, server.url(path), target, DownloadSpec(**{"max_bytes": BIG, **wanted}))
    return target.read_bytes()


def ranges(server):
    return [request.headers.get("range") for request in server.asked("/m")]


# Small answers


def test_a_file_that_did_not_change_is_not_sent_again(http, server):
    first = http.get(server.url("/m"))
    again = http.get(server.url("/m"), known=first.validators)
    assert (first.status, first.body, first.unchanged) == (200, CONTENT, False)
    assert again.unchanged and again.body == b""


@pytest.mark.parametrize("kind", ["head", "get"])
def test_a_server_without_head_is_asked_otherwise_and_the_body_is_not_waited_for(http, server, kind):
    server.put("/big", bytes(50_000_000))
    if kind == "get":
        server.fault("/big", Status(405), times=1)
    answer = http.head(server.url("/big"))
    assert (answer.length, bool(answer.validators)) == (50_000_000, True)
    assert server.asked("/big")[-1].method == kind.upper()


@pytest.mark.parametrize(
    ("status", "word"),
    [(403, "403"), (404, "not there"), (410, "gone for good"), (429, "too often"), (500, "500"), (503, "503")],
)
def test_a_status_without_success_is_said(http, server, status, word):
    server.fault("/m", Status(status, b"why", {"Retry-After": "120"}))
    with pytest.raises(HttpStatusError, match=word) as caught:
        http.get(server.url("/m?key=s3cret"))
    assert (caught.value.status, caught.value.retry_after_s, caught.value.body) == (status, 120, b"why")
    assert "s3cret" not in str(caught.value)


def test_retry_after_is_read_in_both_forms_and_bounded():
    assert parse_retry_after_s({"retry-after": "7"}) == 7
    assert parse_retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, now_s=1445412420) == pytest.approx(60)
    assert parse_retry_after_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, now_s=2e9) == 0
    assert parse_retry_after_s({"retry-after": "999999999"}) == 86400
    assert parse_retry_after_s({"retry-after": "soon"}) is None and parse_retry_after_s({}) is None


@pytest.mark.parametrize("fault", [Endless(), Longer(BIG), Longer(BIG, announced=False)])
def test_a_small_answer_stays_small(http, server, fault):
    server.fault("/m", fault)
    with pytest.raises(SourceError, match="bytes that are read|that are read"):
        http.get(server.url("/m"), max_bytes=400_000)


@pytest.mark.parametrize("fault", [Stall(0), Stall(100), Stall(-1)])
def test_a_silent_server_is_left(http, server, fault):
    server.fault("/m", fault)
    with pytest.raises(SourceError, match=r"sent nothing for 0\.4 s"):
        http.get(server.url("/m"))


@pytest.mark.parametrize("head", [True, False])
def test_a_server_that_drips_is_left_in_the_end(http, server, head):
    server.fault("/m", Drip(every_s=0.1, head=head))
    begun_s = time.monotonic()
    with pytest.raises(SourceError, match=r"did not finish its answer within 1\.5 s"):
        http.get(server.url("/m"))
    assert time.monotonic() - begun_s < 3


def test_an_answer_cut_short_is_no_answer(http, server):
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


def test_redirects_are_followed_on_safe_ground_only(http, server):
    server.fault("/from", Redirect(server.url("/m")), times=1)
    assert http.get(server.url("/from")).body == CONTENT
    server.fault("/from", Redirect("http://models.example.org/m?token=s3cret"), times=1)
    with pytest.raises(SourceError, match=r"redirects to http://models.example.org/m, which is not https") as caught:
        http.get(server.url("/from"))
    assert "s3cret" not in str(caught.value)
    server.fault("/loop", Redirect(server.url("/loop")))
    with pytest.raises(SourceError, match="more than 5 times"):
        http.get(server.url("/loop"))
    with pytest.raises(SourceSettingsError, match="not an https address"):
        http.get("http://models.example.org/m")


def test_a_server_that_is_not_there_is_said(http):
    with ModelServer() as gone:
        address = gone.url("/m")
    with pytest.raises(SourceError, match="refuses the connection"):
        http.get(address)
    with pytest.raises(SourceError, match="cannot be found"):
        http.get("https://models.invalid/m")


def test_a_certificate_that_nobody_vouches_for_is_refused(http, tmp_path):
    import ssl
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    cert, key = Certificates(tmp_path).sign("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as tls:
        tls.socket = context.wrap_socket(tls.socket, server_side=True)
        tls.handle_error = lambda *_: None
        threading.Thread(target=tls.serve_forever, daemon=True).start()
        with pytest.raises(SourceError, match="no safe connection to https://127.0.0.1.*certificate"):
            http.get(f"https://127.0.0.1:{tls.server_port}/m")
        tls.shutdown()


def test_a_request_under_way_ends_when_the_program_stops(server):
    http = Http()
    server.fault("/m", Stall(10))
    timer = threading.Timer(0.2, http.close)
    timer.start()
    begun_s = time.monotonic()
    with pytest.raises(SourceError, match="the program stops"):
        http.get(server.url("/m"))
    assert time.monotonic() - begun_s < 5


def test_an_address_is_shown_without_its_secrets():
    assert redact("https://me:pw@host:1/a/b?token=x#y") == "https://host:1/a/b"


# Downloads


def test_a_download_arrives_whole_and_tells_its_progress(http, server, tmp_path):
    told = []
    answer = download(
        http, server.url("/m"), tmp_path / "file", DownloadSpec(BIG), lambda got, of: told.append((got, of))
    )
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert answer.validators.etag and os.listdir(tmp_path) == ["file"]


def test_a_break_is_resumed_at_once(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=2)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]
    assert [request.status for request in server.asked("/m")] == [200, 206, 206]
    assert server.asked("/m")[1].headers["if-range"] == server.files["/m"].etag


def test_the_rest_of_another_file_is_not_put_behind_the_part(http, server, tmp_path):
    """The server knows Range and not If-Range."""
    other = bytes(reversed(CONTENT))

    def answer(request):
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        server.routes.pop(("GET", "/m"))
        server.put("/m", other, etag='"another"')
        return Status(
            206, other[begin:], {"Content-Range": f"bytes {begin}-{len(other) - 1}/{len(other)}", "ETag": '"another"'}
        )

    server.fault("/m", Truncate(1000), times=1)
    server.fault("/m", Status(500), times=1)
    with pytest.raises(HttpStatusError):
        fetch(http, server, tmp_path, exact_bytes=len(CONTENT))
    server.route("GET", "/m", answer)
    assert fetch(http, server, tmp_path, exact_bytes=len(CONTENT)) == other
    assert ranges(server) == [None, "bytes=1000-", "bytes=1000-", None]


def test_a_break_is_resumed_by_the_next_call_too(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(HttpStatusError):
        fetch(http, server, tmp_path)
    assert fetch(Http(QUICK), server, tmp_path) == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=100000-"]


def test_a_file_that_changed_in_between_is_fetched_anew(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    server.put("/m", CONTENT[::-1])
    assert fetch(http, server, tmp_path) == CONTENT[::-1]
    assert [request.status for request in server.asked("/m")][-1] == 200


def test_a_file_of_another_state_than_announced_is_not_taken(http, server, tmp_path):
    announced = http.head(server.url("/m")).validators
    server.put("/m", CONTENT[::-1])
    with pytest.raises(SourceChangedError, match="replaced while it was fetched"):
        fetch(http, server, tmp_path, validators=announced)


@pytest.mark.parametrize("state", [{"etag": None}, {"etag": 'W/"x"'}])
def test_without_a_strong_name_for_the_state_nothing_is_pieced_together(http, server, tmp_path, state):
    server.put("/m", CONTENT, **state)
    server.fault("/m", Truncate(100_000), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server) == [None, None]


def test_a_date_is_enough_to_resume_by_and_an_immutable_file_needs_none(http, server, tmp_path):
    server.put("/m", CONTENT, etag=None, modified_s=1.6e9)
    server.fault("/m", Truncate(100_000), times=1)
    assert fetch(http, server, tmp_path) == CONTENT
    server.put("/m", CONTENT, etag=None)
    server.fault("/m", Truncate(100_000), times=1)
    assert fetch(http, server, tmp_path, immutable=True) == CONTENT
    assert ranges(server) == [None, "bytes=100000-"] * 2


def test_a_server_that_ignores_ranges_is_tolerated(http, server, tmp_path):
    server.fault("/m", Truncate(100_000), times=1)
    server.fault("/m", Plain())
    assert fetch(http, server, tmp_path) == CONTENT


def test_a_part_of_an_earlier_boot_is_not_trusted(http, server, tmp_path):
    (tmp_path / "file.part").write_bytes(bytes(100_000))
    facts = {"url": server.url("/m"), "etag": server.files["/m"].etag, "last_modified": None, "boot": "another"}
    (tmp_path / "file.part.json").write_text(json.dumps(facts))
    assert fetch(http, server, tmp_path) == CONTENT


@pytest.mark.parametrize("facts", ["", "[]", "null", "{"])
def test_a_part_without_its_facts_is_begun_anew(http, server, tmp_path, facts):
    (tmp_path / "file.part").write_bytes(bytes(100_000))
    (tmp_path / "file.part.json").write_text(facts)
    assert fetch(http, server, tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("fault", "wanted", "sentence"),
    [
        (Endless(), {"max_bytes": 500_000}, "sends more than the 500000 bytes that are fetched"),
        (Longer(100), {"exact_bytes": len(CONTENT)}, "where 307200 were announced"),
        (Longer(100, announced=False), {"exact_bytes": len(CONTENT)}, "more than the 307200 bytes that were announced"),
        (Body(b"short"), {"exact_bytes": len(CONTENT)}, "has 5 bytes where 307200 were announced"),
        (None, {"max_bytes": 1000}, "has 307200 bytes, more than the 1000"),
        (None, {"max_bytes": 1000, "exact_bytes": 2000}, "has 2000 bytes, more than the 1000"),
        (Status(404), {}, "not there"),
        (Stall(5000), {"exact_bytes": len(CONTENT)}, "sent nothing for"),
    ],
)
def test_a_download_has_bounds(http, server, tmp_path, fault, wanted, sentence):
    if fault:
        server.fault("/m", fault)
    with pytest.raises(SourceError, match=sentence):
        fetch(http, server, tmp_path, **wanted)
    assert not (tmp_path / "file").exists()


def test_a_download_that_drips_is_given_up_and_goes_on_later(http, server, tmp_path):
    server.fault("/m", Drip(every_s=0.05, size=50), times=1)
    with pytest.raises(SourceError, match=r"only \d+ bytes a second"):
        fetch(http, server, tmp_path)
    assert fetch(http, server, tmp_path) == CONTENT
    assert ranges(server)[1] is not None


def test_a_download_has_an_end_in_time(server, tmp_path):
    http = Http(HttpLimits(silence_s=1, download_s=0.6, slow_bytes_per_s=0))
    server.fault("/m", Drip(every_s=0.05, size=100))
    with pytest.raises(SourceError, match="did not finish"):
        fetch(http, server, tmp_path)


def test_a_part_longer_than_the_file_is_dropped(http, server, tmp_path):
    server.fault("/m", Truncate(200_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    server.put("/m", CONTENT[:1000], etag=server.files["/m"].etag)
    assert fetch(http, server, tmp_path) == CONTENT[:1000]


def test_a_part_that_is_whole_is_not_fetched_again(http, server, tmp_path):
    """As after a kill between the last byte and the renaming."""
    server.fault("/m", Truncate(200_000), times=1)
    server.fault("/m", Status(503), times=1)
    with pytest.raises(SourceError):
        fetch(http, server, tmp_path)
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert fetch(http, server, tmp_path) == CONTENT
    assert [request.status for request in server.asked("/m")] == [200, 503, 416]


def test_a_full_disk_is_the_disks_fault(tmp_path):
    """In a namespace of its own, on a file system of 256 kB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    script = """
import errno, pathlib
from support.model_server import ModelServer
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
with ModelServer() as server:
    server.put("/m", bytes(2_000_000))
    try:
        download(Http(), server.url("/m"), pathlib.Path("file"), DownloadSpec(10_000_000))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    mounted = f"mount -t tmpfs -o size=256k none '{tmp_path}' && cd '{tmp_path}' && exec '{sys.executable}' -c \"$0\""
    found = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted, script],
        capture_output=True,
        text=True,
        env=CHILD_ENVIRONMENT,
        timeout=60,
    )
    if "unshare" in found.stderr or "mount" in found.stderr:
        pytest.skip(f"no mount namespace here: {found.stderr.strip()}")
    assert found.stdout.strip() == "ENOSPC", found.stderr


def test_validators_make_conditions():
    assert Validators('"x"', "yesterday").conditions == {"If-None-Match": '"x"', "If-Modified-Since": "yesterday"}
    assert not Validators() and Validators().conditions == {}
    assert Validators('W/"x"', "yesterday").for_range is None
