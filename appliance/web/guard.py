"""Check every request before a route sees it: framing, host, origin, who sends it, what it may do, and its size.

Pure ASGI, so that a refused request costs no more than its header. Without signing in only the page itself, the
device's name, `/healthz`, and signing in are answered.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from appliance.errors import RequestError
from appliance.web.access.hosts import is_own_host
from appliance.web.access.principal import Principal, Scope
from appliance.web.access.sign_in_limit import SignInLimit
from appliance.web.access.store import AccessStore
from appliance.web.limits import LARGE_BODY, MAX_LARGE, find_body_limit

Scopes = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scopes, Receive, Send], Awaitable[None]]

log = logging.getLogger("appliance.web")

_ERROR = 500
# Streams without an end, and a file that is removed when it was fetched.
_NOT_FOR_HEAD = ("/api/labels", "/api/stream.mjpg", "/api/dataset/export/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_SITE = ("same-origin", "none")
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "media-src 'self' blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)
# Browsers ignore this one without TLS, and report that as an error of the page.
_OPENER_POLICY = {True: ((b"cross-origin-opener-policy", b"same-origin"),), False: ()}
# After these, what follows on the connection may not be what the client meant.
_CLOSING = (400, 411, 413, 421, 503, 505)
SIGN_IN_FIRST = "sign in first; run on the device: sudo appliance web"
TOO_MANY_FAILURES = "too many failed sign-ins from this address; wait a minute"


class Guard:
    """The outermost application: refuses what must not reach a route, and adds the security headers."""

    def __init__(
        self,
        app: App,
        access: AccessStore,
        cookie_name: str,
        public_url: str | None = None,
        limit: SignInLimit | None = None,
        max_model_bytes: int = 256 * 1024 * 1024,
    ):
        """Keep references.

        Args:
            app: The application with the routes.
            access: The sessions and tokens.
            cookie_name: The name of the session cookie.
            public_url: The setting web.public_url.
            limit: Counts failed sign-ins.
            max_model_bytes: The greatest size of an uploaded model.
        """
        self._app, self._access = app, access
        self._cookie_name, self._public_url = cookie_name, public_url
        self.limit = limit or SignInLimit()
        self._max_model_bytes = max_model_bytes
        self._large = 0

    async def __call__(self, scope: Scopes, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        is_started = False

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                added = [*_HEADERS, *_OPENER_POLICY[scope["scheme"] == "https"], (b"cache-control", b"no-store")]
                message["headers"] = [
                    *message.get("headers", ()), *((name, value) for name, value in added if name not in given)
                ]  # fmt: skip
            await send(message)
            is_started = is_started or (message["type"] == "http.response.start" and message["status"] < _ERROR)

        try:
            limit = self._check(scope)
        except RequestError as error:
            await _refuse(send_safely, error)
            return
        is_large = _read_length(scope) > LARGE_BODY
        self._large += is_large
        try:
            await self._app(_adapt(scope), _BoundedBody(receive, limit).receive, send_safely)
        except Exception as error:
            # Before the answer began, it was logged and answered (app.py); afterwards, only the connection can end.
            if is_started:
                log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
        finally:
            self._large -= is_large

    def _check(self, scope: Scopes) -> int:
        """Return the greatest size of the body; sets `principal` in the scope.

        Raises:
            RequestError: The request is refused.
        """
        headers = _collect_headers(scope)
        method, path = scope["method"], scope["path"]
        if scope["http_version"] not in ("1.0", "1.1"):
            raise RequestError(505, "this server speaks HTTP/1.1")
        if b"transfer-encoding" in headers:
            raise RequestError(411, "send the body with a Content-Length, not in chunks")
        host = _text(headers.get(b"host"))
        if not is_own_host(host, str((scope.get("server") or ("",))[0]), self._public_url):
            raise RequestError(
                421, "this device does not have this name; use its address, or set web.public_url to this one"
            )
        principal = self._authenticate(headers, scope)
        scope["principal"] = principal
        if principal is None and not _is_public(method, path):
            raise RequestError(401, SIGN_IN_FIRST)
        if principal is None or principal.is_session or (method not in _SAFE_METHODS and b"origin" in headers):
            self._check_origin(method, path, headers, f"{scope['scheme']}://{host}".lower())
        if principal and principal.scope is not Scope.ADMIN and _needs_admin(method, path):
            raise RequestError(
                403, "this token may only read; make one with: appliance web --new-token NAME --scope admin"
            )
        return self._check_size(method, path, headers)

    def _authenticate(self, headers: dict[bytes, bytes], scope: Scopes) -> Principal | None:
        authorization = _text(headers.get(b"authorization"))
        if authorization:
            kind, _, secret = authorization.partition(" ")
            principal = self._access.find_token(secret.strip()) if kind.lower() == "bearer" else None
            if principal is None:
                address = str((scope.get("client") or ("",))[0])
                if self.limit.is_exceeded(address):
                    raise RequestError(429, TOO_MANY_FAILURES)
                self.limit.record_failure(address)
                raise RequestError(401, "this token is not valid; make one with: appliance web --new-token NAME")
            return principal
        session_id = _read_cookie(_text(headers.get(b"cookie")), self._cookie_name)
        scope["session_id"] = session_id
        return self._access.find_session(session_id) if session_id else None

    def _check_origin(self, method: str, path: str, headers: dict[bytes, bytes], own: str) -> None:
        site = _text(headers.get(b"sec-fetch-site"))
        if path.startswith(("/api/", "/v1/", "/metrics")) and site and site not in _SAME_SITE:
            raise RequestError(403, "another site may not use this page; open the page itself")
        if method in _SAFE_METHODS:
            return
        allowed = {own, (self._public_url or own).rstrip("/").lower()}
        if _text(headers.get(b"origin")).lower() not in allowed:
            raise RequestError(403, "the request does not come from this page (its Origin is missing or another one)")

    def _check_size(self, method: str, path: str, headers: dict[bytes, bytes]) -> int:
        limit = find_body_limit(method, path, self._max_model_bytes)
        given = headers.get(b"content-length")
        if given is not None and int(given) > limit:
            raise RequestError(413, f"the body is larger than the limit of {limit} bytes")
        if given is not None and int(given) > LARGE_BODY and self._large >= MAX_LARGE:
            raise RequestError(503, "other large uploads are in progress; try again in a moment")
        return limit


def _adapt(scope: Scopes) -> Scopes:
    """Return the request as the routes take it.

    HEAD is answered as GET, without the body, which uvicorn leaves out. All bodies but files are JSON, also those of
    clients that state another type: `curl --data`, and what TensorFlow Serving's manual shows. That needs no check of
    the type against forged requests, because the Origin of every change was checked. A parameter without a value, as
    forms send it, is absent.
    """
    is_head = scope["method"] == "HEAD" and not scope["path"].startswith(_NOT_FOR_HEAD)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {
        **scope,
        "method": "GET" if is_head else scope["method"],
        "headers": [*headers, (b"content-type", b"application/json")],
        "query_string": b"&".join(
            part for part in scope["query_string"].split(b"&") if part.partition(b"=")[1:] != (b"=", b"")
        ),
    }


class _BoundedBody:
    """Receives a body of at most its limit; h11 already holds it to its Content-Length."""

    def __init__(self, receive: Receive, limit: int):
        self._receive, self._left = receive, limit

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        return {"type": "http.disconnect"} if self._left < 0 else message


def _is_public(method: str, path: str) -> bool:
    """Return whether a request needs no sign-in."""
    if method in ("GET", "HEAD"):
        return path in ("/", "/healthz", "/api/name", "/favicon.ico") or path.startswith("/page/")
    return (method, path) == ("POST", "/api/session")


def _needs_admin(method: str, path: str) -> bool:
    """Return whether a request changes the device; predictions only compute."""
    if method in _SAFE_METHODS:
        # The log, the check and the settings describe more than what the camera sees.
        return path.startswith("/api/device/") and path != "/api/device/stats"
    return not (
        (method == "POST" and (path.startswith("/v1/") or path in ("/api/model/try", "/api/session")))
        or (method, path) == ("DELETE", "/api/session")
    )


def _collect_headers(scope: Scopes) -> dict[bytes, bytes]:
    """Return the headers; those that decide about access may occur only once.

    Raises:
        RequestError: One of them occurs twice.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in (b"host", b"authorization", b"origin", b"content-length", b"sec-fetch-site"):
            raise RequestError(400, f"the header {name.decode('ascii', 'replace')} occurs twice; send it once")
        headers[name] = headers[name] + b"; " + value if name == b"cookie" and name in headers else value
    return headers


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("latin-1")


def _read_cookie(header: str, name: str) -> str:
    """Return the value of a cookie; other cookies of this host name may be malformed."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip('"')
    return ""


def _read_length(scope: Scopes) -> int:
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(given)


async def _refuse(send: Send, error: RequestError) -> None:
    body = json.dumps({"error": str(error)}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status == 429:
        headers.append((b"retry-after", b"60"))
    if error.status in _CLOSING:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
