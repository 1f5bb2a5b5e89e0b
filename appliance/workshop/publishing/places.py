"""Read the files of a site at the place from which devices get it: an address, or a folder that a web server serves."""

from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from appliance.errors import HttpStatusError, PublishError, SourceError, describe_unreadable
from appliance.system.urls import redact
from appliance.transport.download import DownloadSpec, download
from appliance.transport.http import Http
from appliance.transport.private_hosts import is_private_host

_LOCAL_URL = "file://site"
_MISSING = (403, 404, 410)
# A cache between this machine and the server must not answer with what was served before.
_HEADERS = {"Cache-Control": "no-cache"}


class SitePlace:
    """One place of a site, as a context manager."""

    def __init__(self, place: str) -> None:
        """Open a place; nothing is requested yet.

        Args:
            place: An address, or a folder.

        Raises:
            PublishError: The address has no host, or contains credentials.
        """
        self.is_address = "://" in place
        if self.is_address and not place.split("://", 1)[1].strip("/"):
            raise PublishError(f"{place!r} is not an address; use the form https://models.example.org")
        if self.is_address and "@" in place.split("://", 1)[1].partition("/")[0]:
            raise PublishError(f"{redact(place)} must be given without a user name and password; devices have none")
        self.folder = None if self.is_address else Path(place)
        self.url = place.rstrip("/") if self.is_address else _LOCAL_URL
        self.name = redact(self.url) if self.is_address else str(Path(place).resolve())
        # The signatures protect the contents, so that plain http is enough in a private network.
        self._http = Http(allow_http=is_private_host) if self.is_address else None
        self.server_date: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()

    def fetch(self, url: str, max_bytes: int) -> bytes:
        """Return a small file, given its URL below `url`.

        Raises:
            HttpStatusError: It does not exist, or the server answered with an error.
            SourceError: It cannot be read, or is too large.
        """
        if self._http is None:
            return self._read_file(url, max_bytes)
        response = self._http.get(url, headers=_HEADERS, max_bytes=max_bytes)
        self.server_date = response.headers.get("date", self.server_date)
        return response.body

    def find(self, path: str, max_bytes: int) -> bytes | None:
        """Return a small file, given its path in the site; None if it does not exist.

        Raises:
            SourceError: The place cannot be read.
        """
        try:
            return self.fetch(f"{self.url}/{path}", max_bytes)
        except HttpStatusError as error:
            if error.status in _MISSING:
                return None
            raise

    def fetch_file(self, url: str, size_bytes: int, scratch: Path, max_bytes: int) -> Path:
        """Return a file with the content of a large file, which is downloaded into a scratch folder.

        Raises:
            SourceError: It cannot be read.
            OSError: The scratch folder cannot be written.
        """
        if self._http is None:
            return self.get_local_file(url)
        file = scratch / "download"
        file.unlink(missing_ok=True)
        download(self._http, url, file, DownloadSpec(max_bytes, size_bytes, immutable=True))
        return file

    def get_local_file(self, url: str) -> Path:
        """Return the path of a file in a folder, given its URL below `url`."""
        return (self.folder or Path()) / unquote(url.removeprefix(f"{_LOCAL_URL}/"))

    def localize(self, error: Exception) -> str:
        """Return an error's message with the folder's path instead of the internal URL."""
        return str(error) if self.folder is None else str(error).replace(_LOCAL_URL, str(self.folder))

    def _read_file(self, url: str, max_bytes: int) -> bytes:
        """Return a file of the folder as a server would send it."""
        file = self.get_local_file(url)
        try:
            with file.open("rb") as opened:
                content = opened.read(max_bytes + 1)
        except FileNotFoundError:
            raise HttpStatusError(f"{file} does not exist", 404) from None
        except OSError as error:
            raise SourceError(describe_unreadable(file, error)) from error
        if len(content) > max_bytes:
            raise SourceError(f"{file} is larger than the limit of {max_bytes} bytes")
        return content
