"""Download files to the disk, with limits, and resume after an interruption.

A download is stored in a part file (part_file.py). The rest is requested with Range and If-Range, so that a server
whose file has changed sends the whole new file.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DiskFullError, HttpStatusError, SourceChangedError, SourceError
from appliance.system.urls import redact
from appliance.transport.disk_space import CHECK_EVERY_BYTES, require_free_space
from appliance.transport.http import Http, HttpLimits, ResponseStream
from appliance.transport.part_file import PartFile
from appliance.transport.responses import (
    HttpResponse,
    Validators,
    make_status_error,
    read_content_length,
    read_validators,
)

log = logging.getLogger("appliance.updates")

# How many times an interrupted download is resumed immediately, provided that each attempt receives something.
MAX_RESUMPTIONS = 5

# Receives the bytes that have arrived, and the total (None if it is unknown).
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class DownloadSpec:
    """The requirements on a download.

    Attributes:
        max_bytes: The maximum size; a larger file is refused.
        exact_bytes: The announced size; None if it is unknown.
        validators: The announced state of the file; any other raises a SourceChangedError. Empty accepts any state.
        immutable: Whether the address always serves the same bytes (it contains a hash, which is checked later); if so,
            the rest may be requested even if the server sends no validators.
        watch_disk: Whether the disk's reserve must stay free (disk_space.py); if not, the download may fill the disk.
    """

    max_bytes: int
    exact_bytes: int | None = None
    validators: Validators = Validators()  # noqa: RUF009 - immutable
    immutable: bool = False
    watch_disk: bool = False


def download(
    http: Http,
    url: str,
    target: Path,
    spec: DownloadSpec,
    progress: Progress = lambda received, total: None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Fetch `url` into `target`; continue an earlier attempt if possible.

    Args:
        http: Makes the requests.
        url: The address.
        target: The file; it appears complete or not at all. Its folder must exist.
        spec: The requirements on the file.
        progress: Called with the bytes that have arrived and the total.
        headers: Headers of the request.

    Returns:
        The last response, without a body.

    Raises:
        SourceChangedError: The file on the server is not in the state `spec.validators`.
        HttpStatusError: The server answered with an error status.
        DiskFullError: The disk has no space for the file, or ran out of space; the part that arrived is kept.
        SourceError: The connection failed, was lost, or was silent or slow for too long, or the file has the wrong
            size. A part that can be continued is kept for the next call.
        OSError: The disk failed.
    """
    part = PartFile(target)
    if spec.exact_bytes is not None and spec.exact_bytes > spec.max_bytes:
        raise SourceError(f"{redact(url)} has {spec.exact_bytes} bytes, more than the limit of {spec.max_bytes}")
    deadline_s = time.monotonic() + http.limits.download_s
    attempt = _Attempt(http, url, part, spec, progress, headers or {})
    for remaining in reversed(range(MAX_RESUMPTIONS + 1)):
        before_bytes = part.size_bytes
        try:
            response = attempt.run(deadline_s)
            break
        except (HttpStatusError, SourceChangedError, DiskFullError, _AbandonedError):
            raise
        except _InvalidPartError as error:
            if not remaining:
                raise
            log.info("%s; fetching it again", error)
        except SourceError as error:
            has_grown = before_bytes < part.size_bytes and part.can_resume(url, spec.immutable, spec.validators)
            if not has_grown or not remaining or time.monotonic() >= deadline_s:
                raise
            log.info("%s; resuming after %d bytes", error, part.size_bytes)
    part.finish()
    return response


class _InvalidPartError(SourceError):
    """The part is not the beginning of the file anymore; the file is fetched again."""


class _AbandonedError(SourceError):
    """The server sends too much or too slowly; the download is not resumed immediately."""


class _Attempt:
    """One request for the file or for its rest; `run` may be called again."""

    def __init__(
        self,
        http: Http,
        url: str,
        part: PartFile,
        spec: DownloadSpec,
        progress: Progress,
        headers: Mapping[str, str],
    ):
        self._http, self._url, self._part, self._spec = http, url, part, spec
        self._progress, self._headers = progress, headers

    def run(self, deadline_s: float) -> HttpResponse:
        """Make the request and write what arrives to the part, which is complete on return."""
        part, spec = self._part, self._spec
        can_resume = part.can_resume(self._url, spec.immutable, spec.validators)
        have_bytes = part.size_bytes if can_resume else 0
        headers = {**self._headers, **(part.make_range_headers() if have_bytes else {})}
        with self._http.stream(self._url, headers, max(0.1, deadline_s - time.monotonic())) as response:
            is_range_error = response.status == 416 and have_bytes > 0
            if is_range_error and response.headers.get("content-range") == f"bytes */{have_bytes}":
                return HttpResponse(response.url, 200, {})  # everything had already arrived
            if response.status == 200:
                have_bytes, total_bytes = 0, read_content_length(response.headers)
            else:
                total_bytes = self._check_range(response, have_bytes)
            self._check_state(response, have_bytes)
            self._check_total(response, total_bytes)
            if spec.watch_disk:
                require_free_space(part.path.parent, total_bytes, have_bytes)
            if not have_bytes:
                part.begin(self._url, read_validators(response.headers))
            self._receive(response, have_bytes, total_bytes)
            return HttpResponse(response.url, 200, response.headers)

    def _check_range(self, response: ResponseStream, have_bytes: int) -> int | None:
        """Return the size of the whole file from a response with its rest; any other response is an error."""
        address = redact(response.url)
        if response.status == 416 and have_bytes:
            self._part.remove()
            raise _InvalidPartError(f"{address} has fewer bytes than were fetched before")
        if response.status != 206 or not have_bytes:
            raise make_status_error(response, b"")
        start_byte, total_bytes = _parse_content_range(response.headers.get("content-range", ""))
        if start_byte != have_bytes:
            self._part.remove()
            raise SourceError(f"{address} sent a different part of the file than was requested")
        return total_bytes

    def _check_state(self, response: ResponseStream, have_bytes: int) -> None:
        """Raise an error if the file on the server is in a different state."""
        found, spec = read_validators(response.headers), self._spec
        if spec.validators and found and not found.is_same_state(spec.validators):
            raise SourceChangedError(f"{redact(response.url)} was replaced while it was being fetched")
        is_checked = have_bytes and not spec.immutable and found
        if is_checked and not found.is_same_state(self._part.validators):  # RFC 9110, 15.3.7.3
            self._part.remove()
            raise _InvalidPartError(f"{redact(response.url)} sent the rest of a different file, despite If-Range")

    def _check_total(self, response: ResponseStream, total_bytes: int | None) -> None:
        """Raise an error if the file's size is not the expected one."""
        spec, address = self._spec, redact(response.url)
        if total_bytes is not None and total_bytes > spec.max_bytes:
            raise SourceError(f"{address} has {total_bytes} bytes, more than the limit of {spec.max_bytes}")
        if total_bytes is not None and spec.exact_bytes is not None and total_bytes != spec.exact_bytes:
            self._part.remove()
            raise SourceError(f"{address} has {total_bytes} bytes instead of the {spec.exact_bytes} announced")

    def _receive(self, response: ResponseStream, have_bytes: int, total_bytes: int | None) -> None:
        """Write the body to the part."""
        spec, address, folder = self._spec, redact(response.url), self._part.path.parent
        if total_bytes is None:
            total_bytes = spec.exact_bytes
        speed = _SpeedCheck(self._http.limits, have_bytes)
        checked_bytes = have_bytes
        with self._part.path.open("ab", buffering=0) as file:  # unbuffered, so that the content survives a kill
            self._progress(have_bytes, total_bytes)
            for chunk in response.iterate_chunks():
                have_bytes += len(chunk)
                self._check_received(address, have_bytes)
                file.write(chunk)
                self._progress(have_bytes, total_bytes)
                if spec.watch_disk and have_bytes - checked_bytes >= CHECK_EVERY_BYTES:
                    checked_bytes = have_bytes
                    require_free_space(folder, None)
                speed.check(address, have_bytes)
        if total_bytes is not None and have_bytes < total_bytes:
            raise SourceError(f"{address} sent {have_bytes} of {total_bytes} bytes before the connection ended")

    def _check_received(self, address: str, have_bytes: int) -> None:
        """Raise an error if more bytes arrived than are allowed."""
        spec = self._spec
        most_bytes = spec.max_bytes if spec.exact_bytes is None else spec.exact_bytes
        if have_bytes > most_bytes:
            self._part.remove()
            limit = "allowed" if spec.exact_bytes is None else "announced"
            raise _AbandonedError(f"{address} sends more than the {most_bytes} bytes {limit}")


class _SpeedCheck:
    """Checks whether a download is too slow."""

    def __init__(self, limits: HttpLimits, have_bytes: int):
        self._limits = limits
        self._start_s, self._start_bytes = time.monotonic(), have_bytes

    def check(self, address: str, have_bytes: int) -> None:
        """Raise an error if the last window was too slow."""
        now_s = time.monotonic()
        elapsed_s = now_s - self._start_s
        if elapsed_s < self._limits.slow_window_s:
            return
        bytes_per_s = (have_bytes - self._start_bytes) / elapsed_s
        if bytes_per_s < self._limits.slow_bytes_per_s:
            raise _AbandonedError(f"{address} sends only {bytes_per_s:.0f} bytes per second; giving up for now")
        self._start_s, self._start_bytes = now_s, have_bytes


def _parse_content_range(text: str) -> tuple[int | None, int | None]:
    """Return the first byte and the total size in a Content-Range such as `bytes 100-199/200`."""
    match = re.fullmatch(r"bytes (\d{1,17})-\d{1,17}/(\d{1,17}|\*)", text.strip())
    if not match:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])
