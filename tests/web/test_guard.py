"""Attack the page: every clause of who may do what, over real connections."""

import re
import socket

import pytest

from appliance.web.access.principal import Scope
from support.broker import wait_until
from support.web import HOST

CHANGES = [
    ("PUT", "/api/threshold", {"value": 0.5}),
    ("PUT", "/api/running", {"value": True}),
    ("POST", "/api/snapshot", None),
    ("POST", "/api/restart", None),
    ("POST", "/api/model", b"x"),
    ("POST", "/api/model/check", None),
    ("POST", "/api/model/install", None),
    ("POST", "/api/model/rollback", None),
    ("POST", "/api/events/a-1/wrong", {"label": "roses"}),
    ("DELETE", "/api/events/pictures", None),
    ("DELETE", "/api/events/a-1", None),
    ("DELETE", "/api/sessions", None),
    ("PUT", "/api/dataset/labels", {"add": "cup"}),
    ("PATCH", "/api/dataset/pictures", {"ids": ["a"], "label": "cup"}),
    ("DELETE", "/api/dataset/pictures", {"ids": ["a"]}),
    ("PUT", "/api/dataset/recording", {"label": "cup"}),
    ("POST", "/api/dataset/import", b"PK"),
    ("POST", "/api/dataset/export", None),
    ("POST", "/api/training", None),
    ("POST", "/api/training/use", None),
]
READS = [
    "/api/status", "/api/labels", "/api/frame.jpg", "/api/stream.mjpg", "/api/events", "/api/events/a-1",
    "/api/events/a-1.jpg", "/api/events/labels", "/api/model", "/api/model/report", "/api/device/check",
    "/api/device/stats", "/api/device/log", "/api/device/settings", "/api/help", "/api/help/mqtt", "/metrics",
    "/api/dataset/labels", "/api/dataset/pictures", "/api/dataset/pictures/a.jpg", "/api/dataset/export/a.zip",
    "/api/training", "/api/openapi.json", "/api/session", "/api/nothing", "/v1/models/default", "/docs", "/redoc",
    "/openapi.json",
]  # fmt: skip


@pytest.mark.parametrize("path", READS)
def test_without_a_token_nothing_can_be_read(device, path):
    answer = device.anonymous().get(path)
    assert answer.status == 401 and "sudo appliance web" in answer.error
    assert b"tulips" not in answer.body and device.device.device_id not in answer.headers.values()


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_without_a_token_nothing_can_be_changed(device, method, path, body):
    client = device.anonymous()
    assert client.send(method, path, body, {"Origin": client.origin}).status == 401


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_read_token_changes_nothing(device, method, path, body):
    client = device.program(Scope.READ, f"reader-{CHANGES.index((method, path, body))}-{method}")
    answer = client.send(method, path, body)
    assert answer.status == 403 and "--scope admin" in answer.error
    device.access.revoke_token(device.access.list_tokens()[-1].name)


def list_changing_requests(admin):
    """Return (method, path) of every request of the API's description that is no GET."""
    described = admin.get("/api/openapi.json").json["paths"]
    return [
        (method.upper(), re.sub(r"\{[^}]*\}", "a-1", path))
        for path, methods in described.items() for method in methods if method != "get"
    ]  # fmt: skip


def test_every_request_that_changes_something_needs_the_scope_admin(device, admin):
    reader = device.program(Scope.READ, "reader-of-everything")
    stranger = device.anonymous()
    allowed = []
    for method, path in list_changing_requests(admin):
        if reader.send(method, path, b"").status != 403:
            allowed.append((method, path))
        if (method, path) != ("POST", "/api/session"):
            assert stranger.send(method, path, b"", {"Origin": stranger.origin}).status == 401, (method, path)
    device.access.revoke_token("reader-of-everything")
    # Signing in and out, and computing, change nothing.
    assert sorted(allowed) == [
        ("DELETE", "/api/session"), ("POST", "/api/model/try"), ("POST", "/api/session"),
        ("POST", "/v1/models/a-1:predict"), ("POST", "/v1/projects/a-1/locations/a-1/endpoints/a-1:predict"),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/api/device/log", "/api/device/settings", "/api/device/check"])
def test_read_token_sees_neither_log_nor_settings(device, path):
    client = device.program(Scope.READ, "peeker")
    try:
        assert client.get(path).status == 403
        assert client.get("/api/status").status == client.get("/metrics").status == 200
    finally:
        device.access.revoke_token("peeker")


def test_read_token_reads_pictures_events_status_and_metrics(device):
    reader = device.program(Scope.READ, "reader")
    try:
        for path in ("/api/status", "/api/frame.jpg", "/api/events", "/api/model", "/api/device/stats", "/metrics"):
            assert reader.get(path).status == 200, path
    finally:
        device.access.revoke_token("reader")


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/name", "/page/app.js"])
def test_page_itself_needs_no_sign_in(device, path):
    assert device.anonymous().get(path).status in (200, 204)
    assert device.anonymous().get("/api/name").json == {"name": "Kitchen"}


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Basic YTpi", "bearer \xff", "Token x"])
def test_wrong_token_is_refused(device, value):
    answer = device.anonymous().get("/api/status", Authorization=value)
    assert answer.status in (401, 429)


def test_revoked_token_is_refused_at_once(device):
    client = device.program(name="to-revoke")
    assert client.get("/api/status").status == 200
    device.access.revoke_token("to-revoke")
    assert client.get("/api/status").status in (401, 429)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_cookie_from_another_origin_changes_nothing(browser, method, path, body, origin):
    headers = {name: value for name, value in browser.headers.items() if name == "Cookie"}
    headers |= {} if origin is None else {"Origin": origin}
    answer = type(browser)(browser.port, headers).send(method, path, body)
    assert answer.status == 403 and "Origin" in answer.error


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/api/stream.mjpg", "/api/events", "/api/frame.jpg", "/api/events/a-1.jpg"])
def test_pictures_are_not_given_to_another_site(browser, path, site):
    assert browser.get(path, **{"Sec-Fetch-Site": site}).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_sign_in_from_another_site_is_refused(device, origin):
    code = device.access.make_code()
    answer = device.anonymous().send("POST", "/api/session", {"code": code}, {"Origin": origin})
    assert answer.status == 403 and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.2", "localhost@evil.example", "", "a b",
     "127.0.0.1:99999", "[::1", "192.168.0.1", "xn--localhost-"],
)  # fmt: skip
def test_other_name_of_host_is_refused(device, admin, host):
    data = f"GET /api/status HTTP/1.1\r\nHost: {host}\r\nAuthorization: {admin.headers['Authorization']}\r\n\r\n"
    answer = device.anonymous().raw(data.encode(), 1)
    assert answer.split(b" ")[1] in (b"421", b"400") and b"tulips" not in answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "localhost.:80"])
def test_own_names_are_answered(admin, host):
    assert admin.get("/api/status", Host=host).status == 200


@pytest.fixture(scope="module")
def browser(device):
    return device.browser()


def test_answers_carry_headers_that_protect_the_page(device, admin):
    for answer in (device.anonymous().get("/"), admin.get("/api/status"), device.anonymous().get("/api/status")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "cross-origin-opener-policy" not in answer.headers  # browsers report it as an error without TLS
        assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py", "/page/%2e%2e%2fserver.py",
     "/page//etc/passwd", "/page/....//app.js", "/page/app.js%00.html", "/page/.", "/page/",
     "/%2e%2e/%2e%2e/etc/passwd", "/page/..\\server.py"],
)  # fmt: skip
def test_no_path_leads_out_of_the_folder(device, admin, path):
    for client in (device.anonymous(), admin):
        data = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        data += "".join(f"{name}: {value}\r\n" for name, value in client.headers.items()) + "\r\n"
        answer = client.raw(data.encode())
        assert answer.split(b" ")[1] in (b"404", b"401", b"422", b"400"), path
        assert b"root:" not in answer and b"import " not in answer


@pytest.mark.parametrize(
    "name", ["..%2f..%2fweb-access.json", "%2e%2e", "a%2f..%2fb", "-a", "a%00", "a" * 100, "ä", "a.b", "%0d%0aX: y"]
)
def test_event_ids_name_no_other_files(admin, name):
    for path in (f"/api/events/{name}.jpg", f"/api/events/{name}"):
        answer = admin.raw(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode("latin-1", "replace")
        )
        assert answer.split(b" ")[1] in (b"404", b"422", b"400")


SMUGGLED = [
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\nx",
    b"POST /api/snapshot HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\nx",
    b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    b"GET /api/status HTTP/1.1\r\n\r\n",
    b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n",
    b"GET /api/status\r\n\r\n",
    b"GET /api/status HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100 + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", SMUGGLED)
def test_ambiguous_requests_are_refused_and_end_the_connection(device, data):
    answer = device.anonymous().raw(data + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 1)
    assert b"HTTP/1.1 2" not in answer, "the rest was taken as another request"
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"411", b"421", b"505")


def test_header_that_never_ends_is_refused(device):
    data = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000
    assert device.anonymous().raw(data, 1).split(b" ")[1:2] in ([b"400"], [])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PATCH", "FOO"])
def test_other_methods_are_refused(admin, method):
    assert admin.send(method, "/api/status").status == 405


def test_large_bodies_are_received_a_few_at_a_time(device, admin):
    head = b"POST /api/model/try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15000000\r\n"
    head += f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode()
    waiting = [socket.create_connection((HOST, device.port)) for _ in range(3)]
    try:
        for each in waiting:
            each.sendall(head)
        wait_until(lambda: device.service.page._running.server._app.guard._large == 3, "three bodies are awaited")
        answer = admin.raw(head)
        assert answer.split(b" ")[1] == b"503" and b"try again" in answer
        assert admin.get("/api/status").status == 200
    finally:
        for each in waiting:
            each.close()
    wait_until(lambda: device.service.page._running.server._app.guard._large == 0, "the bodies were given up")


def test_absolute_address_of_another_host_is_refused(device):
    answer = device.anonymous().raw(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 1)
    assert answer.split(b" ")[1] in (b"401", b"404", b"400")


def test_body_above_its_limit_is_refused_before_it_is_read(admin):
    answer = admin.raw(
        b"PUT /api/threshold HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
        + f"Authorization: {admin.headers['Authorization']}\r\n\r\n".encode()
    )
    assert answer.split(b" ")[1] == b"413"
