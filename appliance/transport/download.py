"""Whole files from a server onto the disk, with bounds, resumed after a break.

A file grows as `NAME.part`, beside it `NAME.part.json` with what the server called that state of the file. The rest is
asked for with Range and If-Range, so that a server whose file changed sends all of the new one. What is in a part was
not synced: after a power cut its end may be zeros, so a part of an earlier boot is not gone on with.
"""

import contextlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DiskFullError, HttpStatusError, SourceChangedError, SourceError
from appliance.system.device_id import boot_id
from appliance.system.urls import redact
from appliance.transport.disk_space import LOOK_EVERY_BYTES, require_free_space
from appliance.transport.http import Http
from appliance.transport.responses import (
    HttpResponse,
    Validators,
    make_status_error,
    read_content_length,
    read_validators,
)

log = logging.getLogger(__name__)

# A connection that breaks is taken up again at once this often, as long as each brought something.
MAX_RESUMPTIONS = 5


@dataclass(frozen=True, slots=True)
class DownloadSpec:
    """What a download must be.

    Attributes:
        max_bytes: More is given up.
        exact_bytes: The announced size, None where it is not known.
        validators: The state of the file that was announced; another one is a SourceChangedError. Empty: any.
        immutable: The address always holds the same bytes (a hash is part of it, and checked later): the rest may be
            asked for although the server names no state.
        watch_disk: Whether the disk must keep its reserve (room.py); else it may be filled.
    """

    max_bytes: int
    exact_bytes: int | None = None
    validators: Validators = Validators()
    immutable: bool = False
    watch_disk: bool = False


def download(
    http: Http,
    url: str,
    target: Path,
    wanted: DownloadSpec,
    progress: Callable[[int, int | None], None] = lambda got, of: None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Fetches `url` into `target`, going on with what is there of an earlier try.

    Args:
        http: Makes the requests.
        url: The address.
        target: The file; it appears whole or not at all. Its folder exists.
        wanted: What it must be.
        progress: Told how many bytes there are, and of how many.
        headers: Of the request, none by default.

    Returns:
        The last answer, without a body.

    Raises:
        SourceChangedError: The server has another state of the file than `wanted.validators`.
        HttpStatusError: The server answered with another status.
        NoRoomError: The disk has no room for it, or less and less while it came. What came is still there.
        SourceError: The connection failed or broke, was silent or slow too long, or the file is larger or of another size
            than it may be. A part that is of use stays for the next call.
        OSError: The disk refuses.
    """
    part = _Part(target)
    if wanted.exact_bytes is not None and wanted.exact_bytes > wanted.max_bytes:
        raise SourceError(
            f"{redact(url)} has {wanted.exact_bytes} bytes, more than the {wanted.max_bytes} that are fetched"
        )
    deadline_s = time.monotonic() + http.limits.download_s
    for attempt in range(MAX_RESUMPTIONS + 1):
        before = part.size
        try:
            answer = _once(http, url, part, wanted, progress, dict(headers or {}), deadline_s)
            break
        except (HttpStatusError, SourceChangedError, DiskFullError):
            raise
        except _UselessPartError as error:
            if attempt == MAX_RESUMPTIONS:
                raise
            log.info("%s; it is fetched anew", error)
        except SourceError as error:
            went_on = before < part.size and part.goes_on(url, wanted)
            if not went_on or attempt == MAX_RESUMPTIONS or time.monotonic() >= deadline_s or part.hopeless:
                raise
            log.info("%s; going on after %d bytes", error, part.size)
    part.finish()
    return answer


class _UselessPartError(SourceError):
    """What is here is not the beginning of the file any more."""


class _Part:
    """The file under way, and what is known of it."""

    def __init__(self, target: Path):
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._facts_path = target.with_name(target.name + ".part.json")
        self.hopeless = False
        try:
            facts = json.loads(self._facts_path.read_bytes())
            self._facts = facts if isinstance(facts, dict) else {}
        except (OSError, ValueError):
            self._facts = {}

    @property
    def size(self) -> int:
        """Bytes that are there."""
        with contextlib.suppress(OSError):
            return self.path.stat().st_size
        return 0

    @property
    def validators(self) -> Validators:
        """The state of the file that the part is of."""
        return Validators(self._facts.get("etag"), self._facts.get("last_modified"))

    def goes_on(self, url: str, wanted: DownloadSpec) -> bool:
        """Whether the rest may be asked for."""
        return (
            self.size > 0
            and self._facts.get("url") == redact(url)
            and self._facts.get("boot") == boot_id()
            and (wanted.immutable or self.validators.for_range is not None)
            and (not wanted.validators or self.validators == wanted.validators)
        )

    def begin(self, url: str, validators: Validators) -> None:
        """Begins anew, with nothing."""
        self.drop()
        # Without the query: that of a signed link changes although the file does not, and is nobody else's business.
        self._facts = {
            "url": redact(url),
            "boot": boot_id(),
            "etag": validators.etag,
            "last_modified": validators.last_modified,
        }
        self._facts_path.write_text(json.dumps(self._facts), encoding="utf-8")
        self.path.touch()

    def drop(self) -> None:
        """Nothing of it is of use."""
        self.path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """It is whole."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self._facts_path.unlink(missing_ok=True)


def _once(
    http: Http,
    url: str,
    part: _Part,
    wanted: DownloadSpec,
    progress: Callable[[int, int | None], None],
    headers: dict[str, str],
    deadline_s: float,
) -> HttpResponse:
    """One request for the file or for its rest."""
    have = part.size if part.goes_on(url, wanted) else 0
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator := part.validators.for_range:
            headers["If-Range"] = validator
    with http.stream(url, headers, max(0.1, deadline_s - time.monotonic())) as (response, where):
        total = None
        if response.status_code == 206 and have:
            start, total = _range(response.headers.get("content-range", ""))
            if start != have:
                part.drop()
                raise SourceError(f"{redact(where)} sends another part of the file than was asked for")
        elif response.status_code == 416 and have:
            if response.headers.get("content-range") == f"bytes */{have}":
                return HttpResponse(where, 200, {})  # all had come already
            part.drop()
            raise _UselessPartError(f"{redact(where)} has fewer bytes than were fetched of it before")
        elif response.status_code == 200:
            have, total = 0, read_content_length(response.headers)
        else:
            raise make_status_error(response, where, b"")
        found = read_validators(response.headers)
        if wanted.validators and found and not _same(found, wanted.validators):
            raise SourceChangedError(f"{redact(where)} was replaced while it was fetched")
        if have and not wanted.immutable and found and not _same(found, part.validators):  # RFC 9110, 15.3.7.3
            part.drop()
            raise _UselessPartError(
                f"{redact(where)} sends the rest of another file than was begun, in spite of If-Range"
            )
        if total is not None and total > wanted.max_bytes:
            raise SourceError(f"{redact(where)} has {total} bytes, more than the {wanted.max_bytes} that are fetched")
        if total is not None and wanted.exact_bytes is not None and total != wanted.exact_bytes:
            part.drop()
            raise SourceError(f"{redact(where)} has {total} bytes where {wanted.exact_bytes} were announced")
        if wanted.watch_disk:
            require_free_space(part.path.parent, total, have)
        if not have:
            part.begin(url, found)
        _receive(http, response, where, part, have, wanted, total, progress)
        return HttpResponse(where, 200, {name.lower(): value for name, value in response.headers.items()})


def _receive(
    http: Http,
    response: object,
    where: str,
    part: _Part,
    have: int,
    wanted: DownloadSpec,
    total: int | None,
    progress: Callable[[int, int | None], None],
) -> None:
    limits, total = http.limits, wanted.exact_bytes if total is None else total
    most = wanted.max_bytes if wanted.exact_bytes is None else wanted.exact_bytes
    window_s, window_bytes, looked_bytes = time.monotonic(), have, have
    with part.path.open("ab", buffering=0) as file:  # what came is there after a kill too
        progress(have, total)
        for piece in http.iterate_chunks(response):
            have += len(piece)
            if have > most:
                part.hopeless = True
                file.close()
                part.drop()
                announced = "" if wanted.exact_bytes is None else " that were announced"
                raise SourceError(f"{redact(where)} sends more than the {most} bytes{announced or ' that are fetched'}")
            file.write(piece)
            progress(have, total)
            if wanted.watch_disk and have - looked_bytes >= LOOK_EVERY_BYTES:
                looked_bytes = have
                require_free_space(part.path.parent, None)
            now_s = time.monotonic()
            if now_s - window_s >= limits.slow_window_s:
                if (have - window_bytes) / (now_s - window_s) < limits.slow_bytes_per_s:
                    part.hopeless = True
                    rate = (have - window_bytes) / (now_s - window_s)
                    raise SourceError(
                        f"{redact(where)} sends only {rate:.0f} bytes a second; the download is given up for now"
                    )
                window_s, window_bytes = now_s, have
    if total is not None and have < total:
        raise SourceError(f"{redact(where)} sent {have} of {total} bytes, then the connection ended")


def _same(found: Validators, announced: Validators) -> bool:
    """Whether two answers speak of one state: by the ETag where both have one, else by the date."""
    if found.etag and announced.etag:
        return found.etag.removeprefix("W/") == announced.etag.removeprefix("W/")
    return found.last_modified == announced.last_modified


def _range(text: str) -> tuple[int | None, int | None]:
    """First byte and total of a Content-Range such as `bytes 100-199/200`."""
    match = re.fullmatch(r"bytes (\d{1,17})-\d{1,17}/(\d{1,17}|\*)", text.strip())
    if not match:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])
