"""This device's Firebase identity: a permanent installation id, and a token that is valid for a week.

Firebase ML and Remote Config require each request to identify its installation. The id is generated here once and
registered with the project; it does not identify the board or its owner. It is stored in the state folder, readable by
this account only, and is replaced only if the server no longer knows it, or if the settings name a different project.

Protocol: Firebase Installations, REST v1, as in the open-source client SDKs (firebase-js-sdk, packages/installations).
"""

import logging
import os
import random as random_numbers
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError, describe_os_error
from appliance.settings.schema import FirebaseSettings
from appliance.system.backoff import BackOff
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.system.state_file import StateFile
from appliance.updates.firebase.identity import Identity, decode_identity, encode_identity, generate_fid

if TYPE_CHECKING:
    from appliance.transport.http import Http
    from appliance.transport.responses import HttpResponse

log = logging.getLogger("appliance.updates")

# Lets a test server replace Google's servers; as everywhere, http is accepted only for this machine
# (transport/http.py).
URL_VARIABLE = "APPLIANCE_FIREBASE_URL"
SDK_VERSION = "w:0.6.0"
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 1800.0
REFUSED_WAIT_S = 86_400.0
IDENTITY_FILE = "installation.json"
_MAX_DETAIL = 300

_FID = re.compile(r"[cdef][\w-]{21}", re.ASCII)
_LIFETIME = re.compile(r"([0-9]{1,9})(\.[0-9]+)?s")

_Error = TypeVar("_Error", SourceError, SourceSettingsError)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of Google's servers."""

    installations: str = "https://firebaseinstallations.googleapis.com"
    ml: str = "https://firebaseml.googleapis.com"
    remote_config: str = "https://firebaseremoteconfig.googleapis.com"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Endpoints":
        """Return Google's servers, or the address from the environment for all three."""
        url = environ.get(URL_VARIABLE, "").rstrip("/")
        return cls(url, url, url) if url else cls()


class Installation:
    """This device's identity in one project; registered when it is first needed."""

    def __init__(
        self,
        settings: FirebaseSettings,
        folder: Path,
        http: "Http",
        endpoints: Endpoints | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_numbers.random,
    ):
        """Keep references to the arguments; nothing is requested yet.

        Args:
            settings: The update.firebase section, with project_id, api_key and app_id.
            folder: The folder for the identity; created if missing.
            http: Sends the requests.
            endpoints: The servers; None for the defaults (see Endpoints.from_environment).
            clock: Returns Unix time in seconds.
            monotonic: Returns monotonic time in seconds.
            random: Returns a number from 0 to 1, which spreads the requests of many devices.
        """
        self.settings = settings
        self.endpoints = endpoints or Endpoints.from_environment()
        self._file: StateFile[Identity | None] = StateFile(
            folder / IDENTITY_FILE,
            decode_identity,
            encode_identity,
            None,
            if_unreadable="this device will register with Firebase again",
            log=log,
        )
        self._http = http
        self._clock, self._monotonic, self._random = clock, monotonic, random
        self._identity: Identity | None = None
        self._backoff = BackOff(FIRST_WAIT_S, LONGEST_WAIT_S, jitter=(1.0, 1.0))
        self._blocked_until_s = 0.0
        self._blocked_by: SourceError | SourceSettingsError | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request to the project: the key, and the app to which the key is restricted."""
        settings = self.settings
        headers = {
            "Accept": "application/json",
            "x-goog-api-key": settings.api_key,
            "X-Android-Package": settings.android_package,
            "X-Android-Cert": settings.android_cert,
            "X-Ios-Bundle-Identifier": settings.ios_bundle_id,
        }
        return {name: value for name, value in headers.items() if value}

    def get_identity(self) -> Identity:
        """Return the identity with a valid token.

        Raises:
            SourceError: No identity is available now; retry after `retry_after_s`.
            SourceSettingsError: The project refuses this device; no request is sent for a day, or until
                `clear_backoff`.
        """
        identity = self._identity or self._read()
        if identity is None or not identity.is_valid(self._clock()):
            self._raise_if_backing_off()
            identity = (self._refresh(identity) if identity else None) or self._register()
            self._write(identity)
        self._identity = identity
        return identity

    def send(self, send: "Callable[[Identity], HttpResponse]") -> "HttpResponse":
        """Send a request with the identity; send it again with a new token if the server rejects the old one.

        Raises:
            HttpStatusError, SourceError, SourceSettingsError: `get_identity` or `send` raised it.
        """
        identity = self.get_identity()
        try:
            return send(identity)
        except HttpStatusError as error:
            if error.status != 401:
                raise
        log.info("Firebase rejected this device's token; requesting a new one")
        self._identity = replace(identity, lasts_s=0.0)
        return send(self.get_identity())

    def clear_backoff(self) -> None:
        """End the one-day wait after a refusal, because the owner asks again and may have fixed the cause."""
        if isinstance(self._blocked_by, SourceSettingsError):
            self._blocked_by = None

    # The protocol

    def _register(self) -> Identity:
        settings, fid = self.settings, generate_fid()
        body = {"fid": fid, "appId": settings.app_id, "authVersion": "FIS_v2", "sdkVersion": SDK_VERSION}
        try:
            values = self._post("", body, {})
        except HttpStatusError as error:
            raise self._block_after_refusal(error) from error
        assigned_fid = values.get("fid")
        if isinstance(assigned_fid, str) and _FID.fullmatch(assigned_fid):
            fid = assigned_fid
        refresh_token = values.get("refreshToken")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise self._back_off(SourceError("Firebase's response to the registration has no refresh token"))
        log.info("registered as installation %s of the Firebase project %s", fid, settings.project_id)
        return self._make_identity(values.get("authToken"), fid, refresh_token)

    def _refresh(self, identity: Identity) -> Identity | None:
        """Return the identity with a new token; None if the server no longer knows the identity."""
        path = f"/{quote(identity.fid)}/authTokens:generate"
        body = {"installation": {"sdkVersion": SDK_VERSION}}
        try:
            values = self._post(path, body, {"Authorization": f"FIS_v2 {identity.refresh_token}"})
        except HttpStatusError as error:
            if error.status not in (401, 404):
                raise self._block_after_refusal(error) from error
            log.warning(
                "Firebase no longer knows installation %s (status %d); registering again", identity.fid, error.status
            )
            return None
        return self._make_identity(values, identity.fid, identity.refresh_token)

    def _make_identity(self, token_values: Any, fid: str, refresh_token: str) -> Identity:
        values = token_values if isinstance(token_values, dict) else {}
        token, lifetime = values.get("token"), _LIFETIME.fullmatch(str(values.get("expiresIn")))
        if not isinstance(token, str) or not token or not lifetime:
            raise self._back_off(SourceError("Firebase's response has no token for this installation"))
        self._backoff.reset()
        self._blocked_by = None
        settings = self.settings
        return Identity(
            settings.project_id or "",
            settings.app_id or "",
            fid,
            refresh_token,
            token,
            self._clock(),
            float(lifetime[1]),
        )

    def _post(self, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        """Send a request; retry it once at once if the server fails or the connection breaks.

        Raises:
            HttpStatusError: The server refused the request; the caller must handle it.
            SourceError: The request failed, and the back-off has begun.
        """
        url = f"{self.endpoints.installations}/v1/projects/{quote(self.settings.project_id or '')}/installations{path}"
        try:
            return self._post_once(url, body, headers)
        except HttpStatusError as error:
            if error.status == 429:
                raise self._back_off(error) from error
            if error.status < 500:
                raise
        except SourceError:
            pass  # the second attempt reports it
        try:
            return self._post_once(url, body, headers)
        except HttpStatusError as error:
            if error.status < 500 and error.status != 429:
                raise
            raise self._back_off(error) from error
        except SourceError as error:
            raise self._back_off(error) from error

    def _post_once(self, url: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        values = self._http.post(url, body, headers=self.headers | headers).json()
        if not isinstance(values, dict):
            raise SourceError("Firebase's response is not a JSON object")
        return values

    # The back-off

    def _back_off(self, error: SourceError) -> SourceError:
        """Return the error with a wait, and send nothing for min(2^n s + up to 1 s, half an hour)."""
        wait_s = min(self._backoff.next_s() + self._random(), LONGEST_WAIT_S)
        wait_s = max(wait_s, error.retry_after_s or 0.0)
        return self._block(SourceError(str(error), wait_s), wait_s)

    def _block_after_refusal(self, error: HttpStatusError) -> SourceError | SourceSettingsError:
        """Return the error for a refusal that only a change of the settings or of the project can end."""
        if error.status not in (400, 401, 403, 404):
            return self._back_off(error)
        refusal = SourceSettingsError(
            f"the Firebase project {self.settings.project_id} refuses this device "
            f"({error.status}{error_detail(error)}); check update.firebase.project_id, api_key and app_id, and that "
            "the key allows the Firebase Installations API"
        )
        return self._block(refusal, REFUSED_WAIT_S)

    def _block(self, error: _Error, wait_s: float) -> _Error:
        self._blocked_by, self._blocked_until_s = error, self._monotonic() + wait_s
        return error

    def _raise_if_backing_off(self) -> None:
        left_s = self._blocked_until_s - self._monotonic()
        if self._blocked_by is None or left_s <= 0:
            return
        if isinstance(self._blocked_by, SourceError):
            raise SourceError(str(self._blocked_by), left_s)
        raise SourceSettingsError(str(self._blocked_by))

    # The file

    def _read(self) -> Identity | None:
        identity = self._file.read()
        if identity and (identity.project_id, identity.app_id) != (self.settings.project_id, self.settings.app_id):
            log.info("the settings name a different Firebase project or app; registering there")
            return None
        return identity

    def _write(self, identity: Identity) -> None:
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.write(identity)
        except OSError as error:
            log.warning(
                "%s cannot be written: %s; this device will register again after a restart",
                self._file.path,
                describe_os_error(error),
            )


def error_detail(error: HttpStatusError) -> str:
    """Return Google's message (`{"error": {"message": …}}`) as ": message", to follow the status; empty if missing."""
    try:
        message = parse_json(error.body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    text = clean_text(" ".join(message.split()), _MAX_DETAIL).rstrip(".") if isinstance(message, str) else ""
    return f": {text}" if text else ""
