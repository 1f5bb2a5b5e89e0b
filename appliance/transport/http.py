"""Requests to model servers and network cameras, with TLS, limits and clear errors.

Nothing from the network is trusted, and nothing is awaited without a limit. Only https is allowed (http only to hosts
that the caller allows, by default this machine), also after a redirect, and certificates are always verified
(trust.py). The limits on bytes, silence, low speed and total time also apply while the head of a response arrives.
Content is requested uncompressed (`Accept-Encoding: identity`). A failure raises a SourceError with one sentence, which
never contains an address's query, because that may be a secret.

download.py fetches whole files and resumes them.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError, SourceTimeoutError
from appliance.system.urls import is_loopback, redact
from appliance.transport.connection_errors import TRANSPORT_ERRORS, describe_connection_error, is_file_error, is_timeout
from appliance.transport.responses import HttpResponse, Validators, make_status_error, read_content_length
from appliance.transport.session import HttpSession, SessionState
from appliance.transport.sockets import Deadline, OpenSockets
from appliance.transport.trust import SYSTEM_TRUST, Trust

log = logging.getLogger("appliance.updates")

MIB = 1024 * 1024
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024
# Headers that are also sent to another server after a redirect; keys and tokens are only for the first server.
_PUBLIC_HEADERS = re.compile(r"range|if-.*|accept.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The limits of one request.

    Attributes:
        connect_s: Time to connect to the server, including TLS.
        silence_s: Time without a byte.
        answer_s: Time for a whole small response, including its head.
        download_s: Time for one download, from the first request to the last byte.
        slow_bytes_per_s: A download that is slower than this over `slow_window_s` is abandoned.
        slow_window_s: The time over which the speed is measured.
    """

    connect_s: float = 10.0
    silence_s: float = 30.0
    answer_s: float = 60.0
    download_s: float = 3600.0
    slow_bytes_per_s: float = 512.0
    slow_window_s: float = 60.0


class ResponseStream:
    """A response whose body has not been read yet.

    Attributes:
        url: The address that answered, after redirects.
        status: The HTTP status.
        reason: The status in words; may be empty.
        headers: The headers, names in lower case.
    """

    def __init__(self, response: requests.Response, url: str, deadline: Deadline):
        self.url = url
        self.status = response.status_code
        self.reason = response.reason or ""
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._deadline = deadline

    def lift_deadline(self) -> None:
        """Let the response last without end; only the limit on silence remains."""
        self._deadline.cancel()

    def iterate_chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives; each chunk is what is available, so that a slow server is detected.

        Raises:
            SourceError: The server compressed the content although it was asked not to, so the bytes would not be those
                of the file.
        """
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if self.status in (200, 206) and encoding not in ("", "identity"):
            raise SourceError(
                f"{redact(self.url)} sends the file compressed ({encoding}), although it was asked not to"
            )
        while chunk := self._response.raw.read1(_CHUNK_BYTES, decode_content=False):
            yield chunk
        if self._deadline.expired:  # the end of the connection may look like the end of a body without a length
            raise TimeoutError

    def build_response(self, body: bytes = b"") -> HttpResponse:
        """Return the response as a value."""
        return HttpResponse(self.url, self.status, self.headers, body)


class Http:
    """Makes requests one after another on one thread; any thread may call `close`."""

    def __init__(
        self,
        limits: HttpLimits = HttpLimits(),
        *,
        trust: Trust = SYSTEM_TRUST,
        allow_http: Callable[[str], bool] = is_loopback,
        state: SessionState | None = None,
    ):
        """Prepare a session; cookies and open connections are kept for later requests.

        Args:
            limits: The limits of each request.
            trust: Whose certificates are trusted.
            allow_http: Returns whether plain http is allowed to a host; redirects never lead from https to http, except
                on this machine.
            state: Cookies, and the login for the host of each request (not for one that it redirects to); it may be
                that of an earlier client. None begins a session without a login.

        Raises:
            SettingsError: The file of authorities cannot be used.
        """
        self.limits = limits
        self._trust = trust
        self._allow_http = allow_http
        self._closed = False
        self._address = ""  # of the request in progress, after redirects
        self._sockets = OpenSockets()
        self._session = HttpSession(self._sockets, trust, state or SessionState(), limits.connect_s, limits.silence_s)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: Validators | None = None,
        max_bytes: int = MIB,
        statuses: tuple[int, ...] = (),
    ) -> HttpResponse:
        """Fetch a small file.

        Args:
            url: Its address.
            headers: Headers of the request.
            known: The state that the caller already has; if the file is still in it, the response is `is_unchanged`.
            max_bytes: The maximum size of the body.
            statuses: Statuses to return in addition to 200 and, with `known`, 304; any other is an error.

        Raises:
            HttpStatusError: The server answered with a different status.
            SourceError: There was no response, or it was incomplete or too large.
        """
        return self.request("GET", url, headers=headers, known=known, max_bytes=max_bytes, statuses=statuses)

    def head(self, url: str, *, known: Validators | None = None, statuses: tuple[int, ...] = ()) -> HttpResponse:
        """Fetch the headers of a file, like `get`; if the server rejects HEAD, use GET and skip the body."""
        try:
            return self.request("HEAD", url, known=known, statuses=statuses)
        except HttpStatusError as error:
            if error.status not in (400, 403, 405, 501):
                raise
        with self.stream(url, known.conditions if known else {}, self.limits.answer_s) as response:
            return _require_status(response.build_response(), response, _list_accepted(known, statuses))

    def post(
        self,
        url: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MIB,
        statuses: tuple[int, ...] = (),
    ) -> HttpResponse:
        """Send `body` as JSON and return the response, like `get`; redirects are not followed."""
        return self.request("POST", url, headers=headers, body=body, max_bytes=max_bytes, statuses=statuses)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: Validators | None = None,
        body: Any = None,
        max_bytes: int = MIB,
        statuses: tuple[int, ...] = (),
    ) -> HttpResponse:
        """Make a request with any method, like `get`."""
        headers = {**(headers or {}), **(known.conditions if known else {})}
        with self.stream(url, headers, self.limits.answer_s, method, body) as response:
            content = b"" if method == "HEAD" else _read_small(response, max_bytes)
            return _require_status(response.build_response(content), response, _list_accepted(known, statuses))

    @contextlib.contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str], limit_s: float, method: str = "GET", body: Any = None
    ) -> Iterator[ResponseStream]:
        """Yield a response whose body has not been read yet; the request is aborted after `limit_s` seconds.

        After a redirect to another server, only Range, If-… and Accept… headers are sent.

        Raises:
            SourceError: There was no response, or the connection failed inside the block.
        """
        with self._convert_errors(), self._sockets.deadline(limit_s) as deadline, contextlib.ExitStack() as stack:
            try:
                response = self._follow_redirects(stack, deadline, url, headers, method, body)
                yield response
            except (*TRANSPORT_ERRORS, SourceError) as error:
                if deadline.expired:
                    raise SourceTimeoutError(
                        f"{redact(self._address)} did not finish its response within {limit_s:g} s"
                    ) from error
                raise

    def close(self) -> None:
        """End a request in progress; later requests fail."""
        self._closed = True
        self._sockets.close_all()
        self._session.close()

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        """Convert connection errors to SourceErrors; file errors are not converted."""
        try:
            yield
        except TRANSPORT_ERRORS as error:
            if is_file_error(error):
                raise
            if self._closed:
                raise SourceError(f"{redact(self._address)} was abandoned because the program is stopping") from error
            limits = self.limits
            reason = describe_connection_error(error, self._address, limits.connect_s, limits.silence_s, self._trust)
            raise (SourceTimeoutError if is_timeout(error) else SourceError)(reason) from error

    def _follow_redirects(
        self,
        stack: contextlib.ExitStack,
        deadline: Deadline,
        url: str,
        headers: Mapping[str, str],
        method: str,
        body: Any,
    ) -> ResponseStream:
        """Return the first response that is not a redirect; `stack` closes it."""
        self._address = address = url
        for _ in range(MAX_REDIRECTS + 1):
            self._check_address(address, url)
            uses_login = urlsplit(address).hostname == urlsplit(url).hostname
            response = self._session.send(stack, method, address, headers, body, uses_login)
            if deadline.expired:  # the end of the connection may look like the end of a head
                raise TimeoutError
            target = response.headers.get("location")
            if response.status_code not in _REDIRECTS or not target or method == "POST":
                return ResponseStream(response, address, deadline)
            response.close()
            self._address = target = urljoin(address, target)
            if _find_server(target) != _find_server(address):
                headers = {name: value for name, value in headers.items() if _PUBLIC_HEADERS.fullmatch(name)}
            address = target
        raise SourceError(f"{redact(url)} redirects more than {MAX_REDIRECTS} times")

    def _check_address(self, url: str, asked: str) -> None:
        if self._closed:
            raise SourceError(f"{redact(url)} was not requested because the program is stopping")
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        host, asked_parts = parts.hostname or "", urlsplit(asked)
        if parts.scheme == "http" and is_loopback(host) and is_loopback(asked_parts.hostname or ""):
            return
        if parts.scheme == asked_parts.scheme == "http" and host and self._allow_http(host):
            return
        if url != asked:
            raise SourceError(f"{redact(asked)} redirects to {redact(url)}, which is not followed: it is not https")
        allowed = "on this machine" if self._allow_http is is_loopback else "to private addresses"
        raise SourceSettingsError(f"{redact(url)} is not an https address; plain http is allowed only {allowed}")


def _read_small(response: ResponseStream, max_bytes: int) -> bytes:
    """Return the body; if it exceeds `max_bytes`, truncate it, but raise an error if the status is 200."""
    address, is_success = redact(response.url), response.status == 200
    announced = read_content_length(response.headers)
    if is_success and announced is not None and announced > max_bytes:
        raise SourceError(f"{address} announces {announced} bytes, more than the limit of {max_bytes}")
    content = bytearray()
    for chunk in response.iterate_chunks():
        content += chunk
        if len(content) > max_bytes:
            if is_success:
                raise SourceError(f"{address} sends more than the limit of {max_bytes} bytes")
            break
    if is_success and announced is not None and len(content) < min(announced, max_bytes):
        raise SourceError(f"{address} sent {len(content)} of {announced} bytes before the connection ended")
    return bytes(content)


def _require_status(response: HttpResponse, head: ResponseStream, accepted: tuple[int, ...]) -> HttpResponse:
    """Return the response if its status is accepted; otherwise raise the error for it."""
    if response.status in accepted:
        return response
    raise make_status_error(head, response.body)


def _list_accepted(known: Validators | None, statuses: tuple[int, ...]) -> tuple[int, ...]:
    return (200, *statuses, *((304,) if known else ()))


def _find_server(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, the host and the port of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
