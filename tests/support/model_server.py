"""A web server for the tests of updates: a good static host, with the faults that a test requests.

    with ModelServer() as server:
        server.put("/manifest.json", b"{}")
        server.fault("/model.tflite", Truncate(1000), times=1)
        … server.url("/manifest.json") … server.requests …

By default it answers like a good static host: ETag, Last-Modified, 304, 206 with If-Range, HEAD. A fault replaces or
alters the response for one path, permanently or a number of times. Routes compute responses, for POST and others.
"""

import email.utils
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Status:
    """Answers with a status instead of the file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Redirect:
    """Redirects the client."""

    to: str
    status: int = 302


@dataclass(frozen=True)
class Truncate:
    """Announces the whole body, but closes the connection after some bytes."""

    after: int


@dataclass(frozen=True)
class Stall:
    """Sends some bytes of the body, then nothing until the server closes; if `after` is negative, not even headers."""

    after: int = 0


@dataclass(frozen=True)
class Drip:
    """Sends the body a few bytes at a time; with `head`, the status line and headers too."""

    every_s: float = 0.05
    size: int = 1
    head: bool = False


@dataclass(frozen=True)
class Endless:
    """Announces no length and never stops sending."""


@dataclass(frozen=True)
class Longer:
    """Sends more bytes than the file has; `announced` is whether Content-Length includes them."""

    extra: int
    announced: bool = True


@dataclass(frozen=True)
class Body:
    """Sends other bytes instead of the file, as a captive portal or a tampered mirror would."""

    body: bytes
    content_type: str = "application/octet-stream"
    keep_validators: bool = False


@dataclass(frozen=True)
class Plain:
    """Ignores conditions: never 304, and the whole file for a Range; `validators` is whether it still sends them."""

    validators: bool = True


@dataclass(frozen=True)
class NoHead:
    """Refuses HEAD."""

    status: int = 405


@dataclass(frozen=True)
class HangUp:
    """Closes the connection without a response, for any method."""


Fault = HangUp | Status | Redirect | Truncate | Stall | Drip | Endless | Longer | Body | Plain | NoHead


@dataclass
class Request:
    """A received request, and the response. `sent` counts every byte of the response, including its headers.

    `status` and `sent` are recorded before the bytes are sent, so that they are set once a client has the response.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    sent: int = 0

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path


@dataclass(frozen=True)
class _File:
    body: bytes
    etag: str | None
    modified_s: float | None
    headers: Mapping[str, str]


class ModelServer:
    """The server, which listens on a free port of 127.0.0.1 from construction to `close()`."""

    def __init__(self, folder: Path | None = None):
        """Start the server.

        Args:
            folder: Files are also served from this folder, as they are at the time of each request.
        """
        self.files: dict[str, _File] = {}
        self.routes: dict[tuple[str, str], Callable[[Request], Status]] = {}
        self.requests: list[Request] = []
        self.folder = folder
        self.closing = threading.Event()
        self._faults: dict[str, list[tuple[Fault, int | None]]] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_owner = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="model-server", daemon=True).start()

    def __enter__(self) -> "ModelServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, path: str = "/") -> str:
        """Return the address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def put(
        self,
        path: str,
        body: bytes,
        *,
        etag: str | None = "auto",
        modified_s: float | None = None,
        headers: Mapping[str, str] = {},
    ) -> None:
        """Serve a file, replacing an earlier one. The `etag` "auto" is computed from the bytes; None sends none."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"' if etag == "auto" else etag
        self.files[path] = _File(body, etag, modified_s, dict(headers))

    def put_folder(self, folder: Path, path: str = "/") -> None:
        """Serve every file in a folder and its subfolders."""
        for file in folder.rglob("*"):
            if file.is_file():
                self.put(path + file.relative_to(folder).as_posix(), file.read_bytes())

    def route(self, method: str, path: str, answer: Callable[[Request], Status]) -> None:
        """Let a function answer a method and path (without the query)."""
        self.routes[method, path] = answer

    def fault(self, path: str, fault: Fault, times: int | None = None) -> None:
        """Add a fault for a path; several faults with a number of times each take effect one after another."""
        with self._lock:
            self._faults.setdefault(path, []).append((fault, times))

    def mend(self, path: str | None = None) -> None:
        """Remove the faults of a path, or all faults."""
        with self._lock:
            self._faults.clear() if path is None else self._faults.pop(path, None)

    def asked(self, path: str, method: str | None = None) -> list[Request]:
        """Return the requests for a path so far."""
        return [each for each in list(self.requests) if each.path == path and method in (None, each.method)]

    def close(self) -> None:
        """Stop the server, and responses that it is still sending."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def take_fault(self, path: str) -> Fault | None:
        with self._lock:
            waiting = self._faults.get(path)
            if not waiting:
                return None
            fault, times = waiting[0]
            if times is not None:
                waiting[0] = (fault, times - 1)
                if times <= 1:
                    waiting.pop(0)
            return fault

    def file(self, path: str) -> _File | None:
        if found := self.files.get(path):
            return found
        if self.folder is None or ".." in path:
            return None
        file = self.folder / path.lstrip("/")
        if not file.is_file():
            return None
        body = file.read_bytes()
        return _File(body, f'"{hashlib.sha256(body).hexdigest()[:20]}"', file.stat().st_mtime, {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ModelServer", ""
    server_owner: ModelServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True  # the client went away

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815 - names of the standard library

    def _serve(self) -> None:
        owner, path = self.server_owner, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._request = Request(self.command, self.path, headers, body)
        owner.requests.append(self._request)
        self._answer(owner, path, self._request)

    def _answer(self, owner: ModelServer, path: str, request: Request) -> None:
        fault = owner.take_fault(path)
        if fault is None and (route := owner.routes.get((self.command, path))):
            fault = route(request)
        file = owner.file(path)
        if isinstance(fault, HangUp):
            self.close_connection = True
        elif isinstance(fault, Status):
            self._send(fault.status, fault.headers, fault.body)
        elif isinstance(fault, Redirect):
            self._send(fault.status, {"Location": fault.to}, b"")
        elif isinstance(fault, NoHead) and self.command == "HEAD":
            self._send(fault.status, {}, b"")
        elif isinstance(fault, Body):
            kept = _validators(file) if file and fault.keep_validators else {}
            self._send(200, {"Content-Type": fault.content_type, **kept}, fault.body)
        elif self.command not in ("GET", "HEAD"):
            self._send(405, {}, b"")
        elif file is None:
            self._send(404, {"Content-Type": "text/html"}, b"<!doctype html><title>Not found</title>")
        else:
            self._send_file(file, fault)

    def _send_file(self, file: _File, fault: Fault | None) -> None:
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", **file.headers}
        if not (isinstance(fault, Plain) and not fault.validators):
            headers |= _validators(file)
        body = file.body
        if isinstance(fault, Longer):
            body += bytes(fault.extra)
            if not fault.announced:
                self._send(200, {**headers, "Transfer-Encoding": "chunked"}, body, chunked=True)
                return
        if isinstance(fault, Endless):
            self._head(200, {**headers, "Transfer-Encoding": "chunked"})
            while not self.server_owner.closing.is_set():
                self._write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            return
        if isinstance(fault, Stall) and fault.after < 0:
            self.server_owner.closing.wait()
            self.close_connection = True
            return
        status = 200
        if not isinstance(fault, Plain):
            if _unchanged(self.headers, file):
                self._send(
                    304, {name: value for name, value in headers.items() if name in ("ETag", "Last-Modified")}, b""
                )
                return
            status, body, more = _part(self.headers, file, body)
            headers |= more
        self._send(status, headers, body, fault)

    def _send(
        self, status: int, headers: Mapping[str, str], body: bytes, fault: Fault | None = None, chunked: bool = False
    ) -> None:
        headers = dict(headers)
        if status != 304 and not chunked:
            headers["Content-Length"] = str(len(body))
        self._head(status, headers, fault)
        if self.command == "HEAD" or status == 304:
            return
        if chunked:
            self._write(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        elif isinstance(fault, Truncate):
            self._write(body[: fault.after])
            self.close_connection = True
        elif isinstance(fault, Stall):
            self._write(body[: fault.after])
            self.server_owner.closing.wait()
            self.close_connection = True
        elif isinstance(fault, Drip):
            for start in range(0, len(body), fault.size):
                if self.server_owner.closing.wait(fault.every_s):
                    return
                self._write(body[start : start + fault.size])
        else:
            self._write(body)

    def _head(self, status: int, headers: Mapping[str, str], fault: Fault | None = None) -> None:
        self._request.status = status
        lines = [
            f"HTTP/1.1 {status} {self.responses.get(status, ('?',))[0]}",
            f"Date: {email.utils.formatdate(usegmt=True)}",
        ]
        head = "\r\n".join(lines + [f"{name}: {value}" for name, value in headers.items()]) + "\r\n\r\n"
        if isinstance(fault, Drip) and fault.head:
            for byte in head.encode():
                if self.server_owner.closing.wait(fault.every_s):
                    return
                self._write(bytes([byte]))
        else:
            self._write(head.encode())

    def _write(self, data: bytes) -> None:
        self._request.sent += len(data)
        self.wfile.write(data)
        self.wfile.flush()


def _validators(file: _File) -> dict[str, str]:
    date = email.utils.formatdate(file.modified_s, usegmt=True) if file.modified_s else None
    found = {"ETag": file.etag, "Last-Modified": date}
    return {name: value for name, value in found.items() if value}


def _unchanged(asked: Mapping[str, str], file: _File) -> bool:
    """Return whether to answer 304; If-None-Match takes precedence over If-Modified-Since (RFC 9110, 13.2.2)."""
    if (tags := asked.get("if-none-match")) is not None:
        return file.etag is not None and file.etag in [tag.strip() for tag in tags.split(",")]
    if (since := asked.get("if-modified-since")) is not None and file.modified_s:
        return int(file.modified_s) <= email.utils.parsedate_to_datetime(since).timestamp()
    return False


def _part(asked: Mapping[str, str], file: _File, body: bytes) -> tuple[int, bytes, dict[str, str]]:
    """Return the response to a Range of the form `bytes=N-`; the whole file if If-Range does not match."""
    wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("range") or "")
    condition = asked.get("if-range")
    if not wanted or (condition and condition not in _validators(file).values()):
        return 200, body, {}
    start = int(wanted[1])
    if start >= len(body):
        return 416, b"", {"Content-Range": f"bytes */{len(body)}"}
    return 206, body[start:], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}


def answer_json(value: object, status: int = 200, **headers: str) -> Status:
    """Return a JSON response for a route; underscores in the names of `headers` become hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Status(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


if __name__ == "__main__":  # serve a folder by hand: python tests/support/model_server.py FOLDER
    import sys

    server = ModelServer(Path(sys.argv[1]))
    print(server.url(), flush=True)
    while True:
        time.sleep(3600)
