"""Requests to one network camera over HTTP: one session with its login, cookies, kept connection and certificate.

Each fault of the camera or of the network becomes a CameraError with one sentence and a remedy.
"""

import contextlib
import errno
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from appliance.camera.stream.address import CameraAddress, parse_address, read_login
from appliance.errors import (
    CameraAbsentError,
    CameraBusyError,
    CameraError,
    CameraStalledError,
    SourceError,
    SourceTimeoutError,
)
from appliance.settings.schema import CameraSettings
from appliance.system.foreign_text import clean_text
from appliance.transport.connection_errors import iterate_causes
from appliance.transport.http import Http, HttpLimits, ResponseStream
from appliance.transport.login import Login, describe_schemes
from appliance.transport.session import SessionState
from appliance.transport.trust import (
    Trust,
    describe_certificate_error,
    fetch_fingerprint,
    normalize_fingerprint,
)

CONNECT_LIMIT_S = 4.0
LONGEST_SILENCE_S = 600.0  # of a connection; the camera that reads it decides sooner (silence.py)
_MAX_DRAINED_BYTES = 64 * 1024


class RefusedRequestError(CameraAbsentError):
    """The camera answered with a status that a repetition of the request does not change."""


@dataclass(slots=True)
class OpenResponse:
    """A successful response whose body is still arriving.

    Attributes:
        head: Status and headers.
        chunks: The body; raises a CameraError if it fails.
    """

    head: ResponseStream
    chunks: Generator[bytes, None, None]

    @property
    def content_type(self) -> str:
        """The type without parameters, in lower case; empty if the camera does not name one."""
        return clean_text(self.head.headers.get("content-type", "").partition(";")[0].lower(), 60)

    def close(self) -> None:
        """End the response; its connection is kept if the body was read to its end."""
        self.chunks.close()


class CameraClient:
    """The session with one camera; used by one thread at a time, but any thread may call `abort`."""

    def __init__(self, settings: CameraSettings):
        """Prepare the session without connecting.

        Raises:
            SettingsError: The password file or the file of authorities cannot be used.
        """
        self.address = parse_address(settings)
        self._url = settings.source
        self._login_pair = read_login(settings)
        self._trust = camera_trust(settings)
        self._http = Http(
            HttpLimits(connect_s=CONNECT_LIMIT_S, silence_s=LONGEST_SILENCE_S),
            trust=self._trust,
            allow_http=lambda host: True,  # most cameras offer nothing else, and the settings name the camera
            state=_find_session(self._url, self._login_pair),
        )

    def request(self, limit_s: float) -> OpenResponse:
        """Ask for the camera's address, and return the response if it is successful.

        Args:
            limit_s: The time for the whole response; `head.lift_deadline()` removes the limit.

        Raises:
            CameraError: The camera cannot be reached, or answers with an error.
        """
        exchange: Generator[Any, None, None] = self._exchange(limit_s)
        return OpenResponse(next(exchange), exchange)

    def abort(self) -> None:
        """End a request in progress; later requests fail."""
        self._http.close()

    def _exchange(self, limit_s: float) -> Generator[Any, None, None]:
        """Yield the head of the response, then the chunks of its body."""
        try:
            with self._http.stream(self._url, {"Accept": "*/*"}, limit_s) as response:
                if response.status != 200:
                    _drain(response)
                    raise self._convert_status(response)
                yield response
                yield from response.iterate_chunks()
                return
        except SourceError as error:
            camera_error = self._convert_error(error)
        raise camera_error  # outside of the handler, so that the cause is not kept alive

    def _convert_status(self, response: ResponseStream) -> CameraError:  # noqa: PLR0911 - one sentence for each status
        name, status = self.address.display_url, response.status
        if status == 401:
            return self._convert_login_error(response)
        if status == 403 and self._login_pair:
            return RefusedRequestError(f"{name} denies the user {self._login_pair[0]} access (403); check its rights")
        if status == 403:
            return RefusedRequestError(f"{name} requires a user name and a password; {_SET_LOGIN}")
        if status in (404, 410):
            return RefusedRequestError(f"{name} does not exist ({status}); check the path in camera.source")
        if status == 429:
            return CameraBusyError(f"{name} serves too many other clients (429); disconnect some, or lower camera.fps")
        if status >= 500:
            return CameraAbsentError(
                f"{name} reports an internal error ({status}); restart the camera, or read the camera's log"
            )
        reason = clean_text(response.reason, 60)
        return RefusedRequestError(f"{name} rejects the request ({status} {reason}); check the path in camera.source")

    def _convert_login_error(self, response: ResponseStream) -> CameraError:
        name = self.address.display_url
        challenge = response.headers.get("www-authenticate", "")
        if not self._login_pair:
            return RefusedRequestError(f"{name} requires a user name and a password; {_SET_LOGIN}")
        if not Login("", "").accept_challenge(challenge):
            offered = describe_schemes(challenge) or "no known form"
            return RefusedRequestError(
                f"{name} requires a form of login that is not supported ({offered}); select Digest or Basic"
                " in the camera"
            )
        return RefusedRequestError(
            f"{name} rejects the user name or the password; check camera.username and the file in camera.password_file"
        )

    def _convert_error(self, error: SourceError) -> CameraError:
        name = self.address.display_url
        if isinstance(error, SourceTimeoutError):
            return CameraStalledError(f"{name} does not answer in time; check the camera and the network")
        for cause in iterate_causes(error):
            if isinstance(cause, OSError) and cause.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
                return CameraAbsentError(
                    f"{name}: {self.address.host} cannot be reached; check the camera's cable and the network"
                )
            if isinstance(cause, ssl.SSLCertVerificationError):
                return RefusedRequestError(f"{name}: {describe_camera_certificate(cause, self.address, self._trust)}")
            if isinstance(cause, ConnectionRefusedError):
                return CameraAbsentError(
                    f"{name}: nothing listens on port {self.address.port} of {self.address.host};"
                    " check that the camera is on and the port is correct"
                )
        text = clean_text(str(error), 300)
        return CameraAbsentError(text if ";" in text else f"{text}; check the camera and the network")


# The session of the camera that was opened last. It outlives the connection, because many cameras limit the number of
# sessions, and a camera is opened again after each outage.
_kept: dict[tuple[str, tuple[str, str] | None], SessionState] = {}


def _find_session(url: str, login_pair: tuple[str, str] | None) -> SessionState:
    """Return the session with a camera; forget that of another one."""
    key = (url, login_pair)
    if key not in _kept:
        _kept.clear()
        _kept[key] = SessionState(Login(*login_pair) if login_pair else None)
    return _kept[key]


_SET_LOGIN = "set camera.username and camera.password_file"


def camera_trust(settings: CameraSettings) -> Trust:
    """Return whose certificates are trusted for the camera."""
    fingerprint = normalize_fingerprint(settings.tls_fingerprint or "")
    return Trust(settings.ca_file, fingerprint, "camera.ca_file")


def describe_camera_certificate(error: ssl.SSLCertVerificationError, address: CameraAddress, trust: Trust) -> str:
    """Return why the camera's certificate is not trusted, and its fingerprint, with which it can be trusted."""
    fault = describe_certificate_error(error, address.host, trust)
    fingerprint = fetch_fingerprint(address.host, address.port)
    if not fingerprint:
        return f"its certificate {fault}"
    return (
        f"its certificate {fault}; or, if this is the camera's own certificate, set"
        f' camera.tls_fingerprint = "{fingerprint}"'
    )


def _drain(response: ResponseStream) -> None:
    """Read the rest of a small response, so that its connection can be used again."""
    received_bytes = 0
    with contextlib.suppress(SourceError):
        for chunk in response.iterate_chunks():
            received_bytes += len(chunk)
            if received_bytes > _MAX_DRAINED_BYTES:
                return
