"""Who this device is to Firebase: an installation identity, kept for good, and its token, which lasts a week.

Firebase ML and Remote Config want to know which installation asks. The identity is drawn here once and registered with
the project; it names nothing of the board or its owner. It lives in the state folder, readable by this account alone,
and is dropped only when the server no longer knows it, or when the settings name another project.

Protocol: Firebase Installations, REST v1, as the open client SDKs speak it (firebase-js-sdk, packages/installations).
"""

import base64
import json
import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.settings.schema import FirebaseSettings
from appliance.system.atomic_files import write_durably

if TYPE_CHECKING:
    from appliance.transport.http import Http
    from appliance.transport.responses import HttpResponse

log = logging.getLogger(__name__)

# Where the tests' own server speaks for Google; http is for this machine alone, as everywhere (http.py).
URL_VARIABLE = "APPLIANCE_FIREBASE_URL"
SDK_VERSION = "w:0.6.0"
REFRESH_UNDER_S = 3600.0
LONGEST_WAIT_S = 1800.0
SILENCE_S = 86_400.0
IDENTITY_FILE = "installation.json"

_FID = re.compile(r"[cdef][\w-]{21}", re.ASCII)
_LIFETIME = re.compile(r"([0-9]{1,9})(\.[0-9]+)?s")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Google's servers are."""

    installations: str = "https://firebaseinstallations.googleapis.com"
    ml: str = "https://firebaseml.googleapis.com"
    remote_config: str = "https://firebaseremoteconfig.googleapis.com"

    @classmethod
    def usual(cls, environ: Mapping[str, str] = os.environ) -> "Endpoints":
        """Google's own, or one address for all three from the environment."""
        url = environ.get(URL_VARIABLE, "").rstrip("/")
        return cls(url, url, url) if url else cls()


@dataclass(frozen=True, slots=True)
class Identity:
    """One installation of one project.

    Attributes:
        project_id, app_id: Whose it is.
        fid: Its name, 22 characters.
        refresh_token: Gets it new tokens.
        token: Shown with every request.
        made_s, lasts_s: When the token came (Unix time), and how long it holds.
    """

    project_id: str
    app_id: str
    fid: str
    refresh_token: str = field(repr=False)
    token: str = field(repr=False)
    made_s: float
    lasts_s: float

    def holds(self, now_s: float) -> bool:
        """Whether the token is good for another hour; not where the clock says that it was made in the future."""
        return self.made_s <= now_s and now_s + REFRESH_UNDER_S < self.made_s + self.lasts_s


class Installation:
    """This device's identity in one project; registered when it is first asked for."""

    def __init__(
        self,
        settings: FirebaseSettings,
        folder: Path,
        http: "Http",
        endpoints: Endpoints | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ):
        """Args:
        settings: With project_id, api_key and app_id.
        folder: Where the identity is kept; made where it is missing.
        http: Makes the requests.
        endpoints: None: the usual ones.
        clock, monotonic: Unix time and monotonic time in seconds.
        chance: A number from 0 to 1, by which many devices do not ask at one moment.
        """
        self.settings = settings
        self.endpoints = endpoints or Endpoints.usual()
        self._folder = folder
        self._http = http
        self._clock, self._monotonic, self._chance = clock, monotonic, chance
        self._identity: Identity | None = None
        self._failures = 0
        self._quiet_until_s = 0.0
        self._why_quiet: SourceError | SourceSettingsError | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What every request to the project carries: the key, and whose app it is restricted to."""
        settings = self.settings
        named = {
            "x-goog-api-key": settings.api_key,
            "X-Android-Package": settings.android_package,
            "X-Android-Cert": settings.android_cert,
            "X-Ios-Bundle-Identifier": settings.ios_bundle_id,
        }
        return {"Accept": "application/json"} | {name: value for name, value in named.items() if value}

    def identity(self) -> Identity:
        """The identity with a token that holds.

        Raises:
            SourceError: There is none now; tried again after the wait it names.
            SourceSettingsError: The project refuses this device; nothing is asked for a day, or until `forgive`.
        """
        identity = self._identity or self._read()
        if identity is None or not identity.holds(self._clock()):
            self._raise_if_backing_off()
            identity = (self._refreshed(identity) if identity else None) or self._registered()
            self._write(identity)
        self._identity = identity
        return identity

    def ask(self, send: "Callable[[Identity], HttpResponse]") -> "HttpResponse":
        """Sends a request with the identity; once more with a new token where the server does not take the old one.

        Raises:
            HttpStatusError, SourceError, SourceSettingsError: From `identity` or `send`.
        """
        identity = self.identity()
        try:
            return send(identity)
        except HttpStatusError as error:
            if error.status != 401:
                raise
        log.info("Firebase does not take this device's token any more; asking for another")
        self._identity = replace(identity, lasts_s=0.0)
        return send(self.identity())

    def clear_backoff(self) -> None:
        """Somebody asks now, and may have put right what was refused: the silence of a day ends."""
        if isinstance(self._why_quiet, SourceSettingsError):
            self._why_quiet = None

    # The protocol

    def _registered(self) -> Identity:
        settings, fid = self.settings, generate_fid()
        body = {"fid": fid, "appId": settings.app_id, "authVersion": "FIS_v2", "sdkVersion": SDK_VERSION}
        try:
            said = self._post("", body, {})
        except HttpStatusError as error:
            raise self._refused(error) from error
        named = said.get("fid")
        if isinstance(named, str) and _FID.fullmatch(named):
            fid = named
        refresh_token = said.get("refreshToken")
        if not isinstance(refresh_token, str) or not refresh_token:
            raise self._wait(SourceError("what Firebase answers to a registration holds no refresh token"))
        log.info("this device is installation %s of the Firebase project %s", fid, settings.project_id)
        return self._with_token(said.get("authToken"), fid, refresh_token)

    def _refreshed(self, identity: Identity) -> Identity | None:
        """The identity with a new token; None where the server does not know it any more."""
        url = f"/{quote(identity.fid)}/authTokens:generate"
        body = {"installation": {"sdkVersion": SDK_VERSION}}
        try:
            said = self._post(url, body, {"Authorization": f"FIS_v2 {identity.refresh_token}"})
        except HttpStatusError as error:
            if error.status not in (401, 404):
                raise self._refused(error) from error
            log.warning(
                "Firebase does not know installation %s any more (%d): registering anew", identity.fid, error.status
            )
            return None
        return self._with_token(said, identity.fid, identity.refresh_token)

    def _with_token(self, said: Any, fid: str, refresh_token: str) -> Identity:
        token = said.get("token") if isinstance(said, dict) else None
        lifetime = _LIFETIME.fullmatch(str(said.get("expiresIn"))) if isinstance(said, dict) else None
        if not isinstance(token, str) or not token or not lifetime:
            raise self._wait(SourceError("what Firebase answers to an installation holds no token"))
        self._failures, self._why_quiet = 0, None
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
        """Asks, and at once once more where the server fails or the connection breaks; a plain refusal is the caller's."""
        url = f"{self.endpoints.installations}/v1/projects/{quote(self.settings.project_id or '')}/installations{path}"
        for again in (True, False):
            try:
                return _object(self._http.post(url, body, headers=self.headers | headers))
            except HttpStatusError as error:
                if error.status < 500 and error.status != 429:
                    raise
                if error.status == 429 or not again:
                    raise self._wait(error) from error
            except SourceError as error:
                if not again:
                    raise self._wait(error) from error
        raise AssertionError("both tries return or raise")

    # When to be quiet

    def _wait(self, error: SourceError) -> SourceError:
        """The same failure, and nothing more is asked for min(2^n s + chance, half an hour)."""
        self._failures += 1
        wait_s = min(2.0 ** min(self._failures, 20) + self._chance(), LONGEST_WAIT_S)
        wait_s = max(wait_s, error.retry_after_s or 0.0)
        return self._be_quiet(SourceError(str(error), wait_s), wait_s)

    def _refused(self, error: HttpStatusError) -> SourceError | SourceSettingsError:
        """What only a change of the settings or of the project can put right."""
        if error.status not in (400, 401, 403, 404):
            return self._wait(error)
        return self._be_quiet(
            SourceSettingsError(
                f"the Firebase project {self.settings.project_id} does not let this device in ({error.status}{error_detail(error)}): "
                "check update.firebase.project_id, api_key and app_id; the key must allow the Firebase Installations API"
            ),
            SILENCE_S,
        )

    def _be_quiet(self, error: Any, wait_s: float) -> Any:
        self._why_quiet, self._quiet_until_s = error, self._monotonic() + wait_s
        return error

    def _raise_if_backing_off(self) -> None:
        left_s = self._quiet_until_s - self._monotonic()
        if self._why_quiet is None or left_s <= 0:
            return
        if isinstance(self._why_quiet, SourceError):
            raise SourceError(str(self._why_quiet), left_s)
        raise SourceSettingsError(str(self._why_quiet))

    # What is kept

    def _read(self) -> Identity | None:
        path = self._folder / IDENTITY_FILE
        try:
            values = json.loads(path.read_bytes())
            identity = Identity(**values)
            texts = (identity.project_id, identity.app_id, identity.fid, identity.refresh_token, identity.token)
            numbers = (identity.made_s, identity.lasts_s)
            good = all(isinstance(text, str) and text for text in texts) and all(
                isinstance(each, int | float) for each in numbers
            )
            if not good:
                raise ValueError("a value is of a wrong type")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            log.warning("%s cannot be used (%s): this device registers with Firebase anew", path, error)
            return None
        if (identity.project_id, identity.app_id) != (self.settings.project_id, self.settings.app_id):
            log.info("the settings name another Firebase project or app: this device registers there")
            return None
        return identity

    def _write(self, identity: Identity) -> None:
        path = self._folder / IDENTITY_FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(asdict(identity)).encode(), mode=0o600)
        except OSError as error:
            log.warning("%s cannot be written (%s): after a restart this device registers anew", path, error.strerror)


def generate_fid(drawn: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh installation id: 17 random bytes, the first one 0111xxxx, as URL-safe base64, its first 22 characters."""
    some = bytearray(drawn(17))
    some[0] = 0x70 | (some[0] & 0x0F)
    return base64.urlsafe_b64encode(bytes(some))[:22].decode()


def error_detail(error: HttpStatusError) -> str:
    """What Google says of an error (`{"error": {"message": …}}`), to go behind its status; empty where it says nothing."""
    try:
        message = json.loads(error.body)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    text = " ".join(message.split())[:300].rstrip(".") if isinstance(message, str) else ""
    return f": {text}" if text else ""


def _object(answer: "HttpResponse") -> dict[str, Any]:
    said = answer.json()
    if not isinstance(said, dict):
        raise SourceError("what Firebase answers is not a JSON object")
    return said
