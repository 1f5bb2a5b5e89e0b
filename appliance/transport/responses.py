"""Responses as values: status, headers, and the validators that identify one state of a file.

Pure functions and values; http.py makes the requests.
"""

import contextlib
import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from appliance.errors import HttpStatusError, SourceError
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.system.urls import redact

MAX_RETRY_AFTER_S = 86_400.0
_ERROR_BODY_BYTES = 4096


class ResponseHead(Protocol):
    """The head of a response.

    Attributes:
        url: The address that answered, after redirects.
        status: The HTTP status.
        reason: The status in words; may be empty.
        headers: The headers, with names in lower case.
    """

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def status(self) -> int: ...  # noqa: D102

    @property
    def reason(self) -> str: ...  # noqa: D102

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Validators:
    """Headers that identify one state of a file on a server, for conditional requests (RFC 9110, 8.8).

    Attributes:
        etag: The ETag header.
        last_modified: The Last-Modified header.
    """

    etag: str | None = None
    last_modified: str | None = None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)

    @property
    def conditions(self) -> dict[str, str]:
        """Request headers that ask for the file only if it changed."""
        headers = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in headers.items() if value}

    @property
    def for_range(self) -> str | None:
        """The value for If-Range: a strong ETag, or else the date; None if resuming would not be safe."""
        if self.etag:
            return None if self.etag.startswith("W/") else self.etag
        return self.last_modified

    def is_same_state(self, other: "Validators") -> bool:
        """Return whether both identify the same state, by the ETag if both have one, or else by the date."""
        if self.etag and other.etag:
            return self.etag.removeprefix("W/") == other.etag.removeprefix("W/")
        return self.last_modified == other.last_modified


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response with its body.

    Attributes:
        url: The address that answered, after redirects.
        status: The HTTP status.
        headers: The headers, names in lower case.
        body: The content; empty if it was not read or went to a file.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def validators(self) -> Validators:
        """The validators of this state of the file."""
        return read_validators(self.headers)

    @property
    def is_unchanged(self) -> bool:
        """Whether the status is 304: the file is still in the state given by the request's validators."""
        return self.status == 304

    @property
    def length(self) -> int | None:
        """Content-Length in bytes; None if it is not given."""
        return read_content_length(self.headers)

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            SourceError: The body is not JSON.
        """
        try:
            return parse_json(self.body)
        except ValueError:
            is_page = self.body[:512].lstrip().lower().startswith((b"<!doctype", b"<html"))
            guess = " but a web page" if is_page else ""
            raise SourceError(f"the response from {redact(self.url)} is not JSON{guess}") from None


def read_validators(headers: Mapping[str, str]) -> Validators:
    """Return the validators in a response's headers."""
    return Validators(headers.get("etag"), headers.get("last-modified"))


def read_content_length(headers: Mapping[str, str]) -> int | None:
    """Return Content-Length in bytes; None if it is missing or not a number."""
    text = headers.get("content-length", "").strip()
    return int(text) if text.isdecimal() and len(text) < 18 else None


def parse_retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Return Retry-After (RFC 9110, 10.2.3) in seconds, at most a day; None if it is missing or invalid.

    Args:
        headers: The response's headers.
        now_s: The current Unix time, for Retry-After with a date; None uses the system clock.
    """
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and len(text) < 10:
        return min(float(text), MAX_RETRY_AFTER_S)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        until_s = email.utils.parsedate_to_datetime(text).timestamp()
        return min(max(0.0, until_s - (time.time() if now_s is None else now_s)), MAX_RETRY_AFTER_S)
    return None


def make_status_error(response: ResponseHead, content: bytes) -> HttpStatusError:
    """Return the error for an unsuccessful response, with the beginning of its body."""
    meaning = {
        401: "the server requires an account (401)",
        403: "the server denies access (403)",
        404: "not found on the server (404)",
        410: "permanently removed from the server (410)",
        429: "the server received too many requests (429)",
    }.get(response.status, f"the server answered {response.status} {clean_text(response.reason, 60)}".rstrip())
    return HttpStatusError(
        f"{redact(response.url)}: {meaning}",
        response.status,
        parse_retry_after_s(response.headers),
        content[:_ERROR_BODY_BYTES],
    )
