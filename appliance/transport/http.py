"""Requests to servers of models: TLS, limits and plain words for what went wrong. The only importer of requests.

Nothing that comes over the network is believed or waited for without end: https only (http to this machine alone), also
after a redirect; a bound on bytes, on silence, on slowness and on the whole time, which holds while the head of an answer
is still on its way too; certificates are always checked; nothing is unpacked on the way (`Accept-Encoding: identity`).
What fails is a SourceError with one sentence; secrets in an address's query are not repeated in it.

Whole files go through download.py, which resumes them.
"""

import contextlib
import errno
import logging
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

import appliance
from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.system.urls import is_loopback, redact
from appliance.transport.responses import (
    HttpResponse,
    Validators,
    make_status_error,
    read_content_length,
)
from appliance.transport.sockets import OpenSockets

log = logging.getLogger(__name__)

MIB = 1024 * 1024
MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024
# Headers that go along when one server sends us to another; a key or a token is for the first alone.
_FOR_ANYBODY = re.compile(r"range|if-.*|accept.*", re.IGNORECASE)
_TRANSPORT_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one request may take.

    Attributes:
        connect_s: To reach the server, TLS included.
        silence_s: Without a byte.
        answer_s: For a whole small answer, its head included.
        download_s: For one download, from the first request to the last byte.
        slow_bytes_per_s: A download that is slower than this over `slow_window_s` is given up.
        slow_window_s: See there.
    """

    connect_s: float = 10.0
    silence_s: float = 30.0
    answer_s: float = 60.0
    download_s: float = 3600.0
    slow_bytes_per_s: float = 512.0
    slow_window_s: float = 60.0


class Http:
    """Requests one after another, on one thread; `close` may come from any."""

    def __init__(self, limits: HttpLimits = HttpLimits()):
        self.limits = limits
        self._closed = False
        self._sockets = OpenSockets()
        self._session = requests.Session()
        self._session.trust_env = False  # else it sends what .netrc holds; proxies are taken below
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(self._sockets))
        self._session.headers.update(
            {"User-Agent": f"camera-appliance/{appliance.__version__}", "Accept-Encoding": "identity"}
        )

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        known: Validators | None = None,
        max_bytes: int = MIB,
        statuses: tuple[int, ...] = (),
    ) -> HttpResponse:
        """A small file.

        Args:
            url: Its address.
            headers: Of the request.
            known: What is here already: the answer may be `unchanged`.
            max_bytes: The largest body.
            statuses: Answers that are returned, beside 200 and, with `known`, 304; any other is an error.

        Raises:
            HttpStatusError: Another status.
            SourceError: No answer, a broken one, or a larger one.
        """
        return self.request("GET", url, headers=headers, known=known, max_bytes=max_bytes, statuses=statuses)

    def head(self, url: str, *, known: Validators | None = None, statuses: tuple[int, ...] = ()) -> HttpResponse:
        """The head of a file; as `get`. Where the server does not take HEAD, a GET whose body is not read."""
        try:
            return self.request("HEAD", url, known=known, statuses=statuses)
        except HttpStatusError as error:
            if error.status not in (400, 403, 405, 501):
                raise
        with self.stream(url, known.conditions if known else {}, self.limits.answer_s) as (response, where):
            return self._judged("GET", response, where, b"", _accepted(known, statuses))

    def post(
        self,
        url: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MIB,
        statuses: tuple[int, ...] = (),
    ) -> HttpResponse:
        """Sends JSON; as `get`. No redirect is followed."""
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
        """As `get`, with any method."""
        headers = {**(headers or {}), **(known.conditions if known else {})}
        with self.stream(url, headers, self.limits.answer_s, method, body) as (response, where):
            content = b"" if method == "HEAD" else self._read_small(response, where, max_bytes)
            return self._judged(method, response, where, content, _accepted(known, statuses))

    @contextlib.contextmanager
    def stream(
        self, url: str, headers: Mapping[str, str], limit_s: float, method: str = "GET", body: Any = None
    ) -> Iterator[tuple[requests.Response, str]]:
        """An answer whose body is still to be read with `chunks`, and where it came from; ends after `limit_s` seconds.

        Where it redirects to another server, only headers that say which bytes are wanted go along.

        Raises:
            SourceError: No answer; also what goes wrong within the `with`.
        """
        address = url
        try:
            with self._sockets.deadline(limit_s) as clock, contextlib.ExitStack() as stack:
                try:
                    for _ in range(MAX_REDIRECTS + 1):
                        self._check_address(address, url)
                        response = stack.enter_context(self._send(method, address, headers, body))
                        if clock.expired:  # an end of the connection may pass for the end of a head
                            raise TimeoutError
                        target = response.headers.get("location")
                        if response.status_code not in _REDIRECTS or not target or method == "POST":
                            break
                        response.close()
                        address, before = urljoin(address, target), address
                        if _place(address) != _place(before):
                            headers = {name: value for name, value in headers.items() if _FOR_ANYBODY.fullmatch(name)}
                    else:
                        raise SourceError(f"{redact(url)} redirects more than {MAX_REDIRECTS} times")
                    yield response, address
                except (*_TRANSPORT_ERRORS, SourceError) as error:
                    if clock.expired:
                        raise SourceError(
                            f"{redact(address)} did not finish its answer within {limit_s:g} s"
                        ) from error
                    raise
        except _TRANSPORT_ERRORS as error:
            if isinstance(error, OSError) and not isinstance(error, requests.RequestException) and _is_disk(error):
                raise
            raise SourceError(self._words(error, address)) from error

    def iterate_chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it arrives; each piece is what was there, so that a slow server is noticed.

        Raises:
            SourceError: The server packed a file although it was asked not to; its bytes would not be those of the file.
        """
        packed = response.headers.get("content-encoding", "").strip().lower()
        if response.status_code in (200, 206) and packed not in ("", "identity"):
            raise SourceError(f"{redact(response.url)} sends the file packed ({packed}), though it was asked not to")
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            yield piece

    def close(self) -> None:
        """Ends a request under way; further ones fail."""
        self._closed = True
        self._sockets.shut_down()
        self._session.close()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Any) -> requests.Response:
        proxies = {} if is_loopback(urlsplit(url).hostname or "") else requests.utils.get_environ_proxies(url)
        timeout = (self.limits.connect_s, self.limits.silence_s)
        return self._session.request(
            method,
            url,
            headers=dict(headers),
            json=body,
            stream=True,
            timeout=timeout,
            allow_redirects=False,
            proxies=proxies,
        )

    def _check_address(self, url: str, asked: str) -> None:
        if self._closed:
            raise SourceError(f"{redact(url)} is not asked: the program stops")
        parts = urlsplit(url)
        if parts.scheme == "https" and parts.hostname:
            return
        if parts.scheme == "http" and is_loopback(parts.hostname or "") and is_loopback(urlsplit(asked).hostname or ""):
            return
        if url != asked:
            raise SourceError(f"{redact(asked)} redirects to {redact(url)}, which is not https: it is not followed")
        raise SourceSettingsError(f"{redact(url)} is not an https address; plain http is for this machine alone")

    def _read_small(self, response: requests.Response, url: str, max_bytes: int) -> bytes:
        announced = read_content_length(response.headers)
        if announced is not None and announced > max_bytes and response.status_code == 200:
            raise SourceError(f"{redact(url)} announces {announced} bytes, more than the {max_bytes} that are read")
        content = bytearray()
        for piece in self.iterate_chunks(response):
            content += piece
            if len(content) > max_bytes:
                if response.status_code == 200:
                    raise SourceError(f"{redact(url)} sends more than the {max_bytes} bytes that are read")
                break
        if announced is not None and len(content) < min(announced, max_bytes) and response.status_code == 200:
            raise SourceError(f"{redact(url)} sent {len(content)} of {announced} bytes, then the connection ended")
        return bytes(content)

    def _judged(
        self, method: str, response: requests.Response, url: str, content: bytes, accepted: tuple[int, ...]
    ) -> HttpResponse:
        if response.status_code in accepted:
            return HttpResponse(
                url, response.status_code, {name.lower(): value for name, value in response.headers.items()}, content
            )
        raise make_status_error(response, url, content)

    def _words(self, error: Exception, url: str) -> str:
        """A failure of the connection in one sentence."""
        where, causes = redact(url), list(_causes(error))
        if self._closed:
            return f"{where} was given up: the program stops"
        if tls := next((each for each in causes if isinstance(each, ssl.SSLError)), None):
            reason = getattr(tls, "verify_message", "") or tls.reason or str(tls)
            made_s = Path(appliance.__file__).stat().st_mtime
            clock = "; this device's clock is wrong: see timedatectl" if time.time() < made_s else ""
            return f"no safe connection to {where}: {reason}{clock}"
        if any(isinstance(each, socket.gaierror) for each in causes):
            return f"{where} cannot be found: is the network up, and the name right?"
        if any(isinstance(each, ConnectionRefusedError) for each in causes):
            return f"{where} refuses the connection: is the server running?"
        if any(isinstance(each, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError) for each in causes):
            return f"{where} was not reached within {self.limits.connect_s:g} s"
        if any(
            isinstance(each, TimeoutError | urllib3.exceptions.ReadTimeoutError | requests.Timeout) for each in causes
        ):
            return f"{where} sent nothing for {self.limits.silence_s:g} s"
        if any(isinstance(each, urllib3.exceptions.IncompleteRead) for each in causes):
            return f"{where} ended the connection before all was sent"
        last = causes[-1]
        return f"the connection to {where} broke: {getattr(last, 'strerror', None) or last or type(last).__name__}"


def _place(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: who is spoken to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _accepted(known: Validators | None, statuses: tuple[int, ...]) -> tuple[int, ...]:
    return (200, *statuses, *((304,) if known else ()))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it came from, the first cause last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _is_disk(error: OSError) -> bool:
    """Whether it came from a file, not from a connection: only files have names or these numbers."""
    return error.filename is not None or error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
    )


class _Adapter(HTTPAdapter):
    """Connections whose sockets are known."""

    def __init__(self, sockets: OpenSockets):
        self._sockets = sockets
        super().__init__(pool_connections=4, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self._sockets.watch(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        self._sockets.watch(manager)
        return manager
