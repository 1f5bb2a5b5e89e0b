"""What a server answered, as values: status, headers, and what the server calls the state of a file.

Pure functions and values; the requests themselves are http.py's part.
"""

import contextlib
import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from appliance.errors import HttpStatusError, SourceError
from appliance.system.urls import redact

MAX_RETRY_AFTER_S = 86_400.0
_SHOWN_BODY_BYTES = 4096


class ResponseHead(Protocol):
    """The head of an answer. `headers` takes names in any case."""

    status_code: int
    reason: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server calls one state of a file: for conditional requests (RFC 9110, 8.8)."""

    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    @property
    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the file only where it changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}

    @property
    def for_range(self) -> str | None:
        """The value for If-Range: a strong ETag, else the date; None where the rest of a file cannot be asked for safely."""
        if self.etag:
            return None if self.etag.startswith("W/") else self.etag
        return self.last_modified


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A server's answer. `url` is where it came from in the end; header names are in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def validators(self) -> Validators:
        """What the server calls this state of the file."""
        return read_validators(self.headers)

    @property
    def unchanged(self) -> bool:
        """304: what the validators stand for still holds."""
        return self.status == 304

    @property
    def length(self) -> int | None:
        """Content-Length, None where it is not given."""
        return read_content_length(self.headers)

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            SourceError: It is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise SourceError(f"what {redact(self.url)} answers is not JSON{_guess(self.body)}") from None


def read_validators(headers: Mapping[str, str]) -> Validators:
    """The validators among an answer's headers (names in lower case, or case-insensitive)."""
    return Validators(headers.get("etag"), headers.get("last-modified"))


def read_content_length(headers: Mapping[str, str]) -> int | None:
    """Content-Length as a number, None where it is missing or none."""
    text = headers.get("content-length", "").strip()
    return int(text) if text.isdecimal() and len(text) < 18 else None


def parse_retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Retry-After (RFC 9110, 10.2.3) in seconds, at most a day; None where it is missing or makes no sense."""
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return min(float(text), MAX_RETRY_AFTER_S)
    with contextlib.suppress(ValueError, TypeError):
        until_s = email.utils.parsedate_to_datetime(text).timestamp()
        return min(max(0.0, until_s - (time.time() if now_s is None else now_s)), MAX_RETRY_AFTER_S)
    return None


def make_status_error(response: ResponseHead, url: str, content: bytes) -> HttpStatusError:
    """What an answer without success says."""
    status, where = response.status_code, redact(url)
    meaning = {
        401: "it asks for an account",
        403: "it does not let this device have it (403)",
        404: "it is not there (404)",
        410: "it is gone for good (410)",
        429: "it was asked too often (429)",
    }.get(status, f"the server answers {status} {response.reason or ''}".rstrip())
    return HttpStatusError(
        f"{where}: {meaning}", status, parse_retry_after_s(response.headers), content[:_SHOWN_BODY_BYTES]
    )


def _guess(body: bytes) -> str:
    return ", but a web page" if body[:512].lstrip().lower().startswith((b"<!doctype", b"<html")) else ""
