"""Firebase Remote Config: parameters by which a project chooses, for each device, what it runs.

Three parameters are known: `model_channel` (for the repository source), `model_name` (for firebase-ml) and
`model_threshold`. Each stands in the place of the setting it is named after; one that is missing, or makes no sense,
leaves that setting in force. An A/B variant arrives as an ordinary value; which experiment it belongs to is told beside.

What was last fetched holds until something else is, also without a network and after a restart: a device does not leave
its variant because the network fails. Protocol: the fetch of the open web SDK (firebase-js-sdk, packages/remote-config).
"""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from appliance import __version__
from appliance.errors import HttpStatusError, SourceError, SourceSettingsError, UpdateError
from appliance.settings.schema import FirebaseSettings
from appliance.system.atomic_files import write_durably
from appliance.updates.firebase.installation import Identity, Installation, error_detail

if TYPE_CHECKING:
    from appliance.transport.http import Http
    from appliance.transport.responses import HttpResponse

log = logging.getLogger(__name__)

CHANNEL, MODEL_NAME, THRESHOLD = "model_channel", "model_name", "model_threshold"
MINIMUM_INTERVAL_S = 12 * 3600.0
CONFIG_FILE = "remote-config.json"
_BACK_OFF_STATUSES = (429, 500, 502, 503, 504)
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 120.0, 256 * 60.0
_SILENCE_S = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Config:
    """What a project chose for this device.

    Attributes:
        entries: Every parameter with its value, as text.
        experiment, variant: The A/B experiment or the rollout that the choice belongs to, None where there is none.
        etag: What the server calls this state.
        template: The version of the project's template, for people.
        fetched_s: When it came, Unix time.
        project_id, app_id: Whose it is.
    """

    entries: Mapping[str, str] = field(default_factory=dict)
    experiment: str | None = None
    variant: str | None = None
    etag: str | None = None
    template: str | None = None
    fetched_s: float = 0.0
    project_id: str | None = None
    app_id: str | None = None

    @property
    def channel(self) -> str | None:
        """The repository's channel to follow."""
        return self._name(CHANNEL)

    @property
    def model_name(self) -> str | None:
        """The custom model to download."""
        return self._name(MODEL_NAME)

    @property
    def threshold(self) -> float | None:
        """The common threshold, 0–1."""
        try:
            value = float(self.entries[THRESHOLD])
        except (KeyError, ValueError):
            return None
        return value if 0 <= value <= 1 else None

    @property
    def senseless(self) -> list[str]:
        """The parameters of ours whose values cannot be used."""
        found = {CHANNEL: self.channel, MODEL_NAME: self.model_name, THRESHOLD: self.threshold}
        return [name for name, value in found.items() if value is None and self.entries.get(name)]

    def _name(self, key: str) -> str | None:
        value = self.entries.get(key, "")
        return value if _NAME.fullmatch(value) else None


def load_config(folder: Path, settings: FirebaseSettings) -> Config:
    """What was fetched last for this project; empty where nothing was, or it cannot be read."""
    path = folder / CONFIG_FILE
    try:
        config = Config(**json.loads(path.read_bytes()))
        texts = (config.experiment, config.variant, config.etag, config.template)
        if not all(text is None or isinstance(text, str) for text in texts) or not isinstance(
            config.fetched_s, int | float
        ):
            raise ValueError("a value is of a wrong type")
        if not all(isinstance(value, str) for value in config.entries.values()):
            raise ValueError("a parameter is not a text")
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s cannot be used (%s): Remote Config is fetched anew", path, error)
        return Config()
    return config if (config.project_id, config.app_id) == (settings.project_id, settings.app_id) else Config()


class RemoteConfig:
    """What the project chooses for this device, fetched anew from time to time."""

    def __init__(
        self,
        installation: Installation,
        http: "Http",
        folder: Path,
        group: str | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ):
        """Args:
        installation: Who asks.
        http: Makes the requests.
        folder: Where what was fetched is kept.
        group: Sent as the custom signal `group`, for conditions in the template.
        clock, monotonic: Unix time and monotonic time in seconds.
        chance: A number from 0 to 1, by which many devices do not ask at one moment.
        """
        self._installation = installation
        self._http = http
        self._folder = folder
        self._group = group
        self._clock, self._monotonic, self._chance = clock, monotonic, chance
        self._config = load_config(folder, installation.settings)
        age_s = clock() - self._config.fetched_s
        # A clock that was set back says nothing: then it is fetched now.
        self._due_s = monotonic() + (MINIMUM_INTERVAL_S - age_s if 0 <= age_s < MINIMUM_INTERVAL_S else 0.0)
        self._failures = 0
        self._wait_until_s = 0.0
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why it could not be fetched when it was last due, None where it could."""
        return self._trouble

    def current(self, asked: bool = False) -> Config:
        """What holds now; fetched first where it is older than the minimum interval, or somebody asked for it now.

        A failure is logged once, and what was fetched before goes on to hold. After an answer that the server is
        overloaded it is left alone for 2, 4 … 256 minutes (± 50 %), also when somebody asks.
        """
        if asked:
            self._installation.clear_backoff()
        now_s = self._monotonic()
        if now_s < self._wait_until_s or (now_s < self._due_s and not asked):
            return self._config
        try:
            self._config = self._fetched()
        except (SourceError, SourceSettingsError) as error:
            self._failed(error)
            return self._config
        self._due_s = self._monotonic() + MINIMUM_INTERVAL_S
        self._failures = 0
        if self._trouble:
            self._trouble = None
            log.info("Remote Config answers again")
        return self._config

    def _fetched(self) -> Config:
        before, settings = self._config, self._installation.settings
        url = (
            f"{self._installation.endpoints.remote_config}/v1/projects/{quote(settings.project_id or '')}"
            f"/namespaces/firebase:fetch?key={quote(settings.api_key or '')}"
        )

        def send(identity: Identity) -> "HttpResponse":
            body = {
                "app_instance_id": identity.fid,
                "app_instance_id_token": identity.token,
                "app_id": settings.app_id,
                "app_version": __version__,
                "sdk_version": __version__,
                "language_code": "en",
            }
            if self._group:
                body["custom_signals"] = {"group": self._group}
            headers = {"If-None-Match": before.etag or "*", "X-Goog-Firebase-Installations-Auth": identity.token}
            return self._http.post(url, body, headers=self._installation.headers | headers, statuses=(304,))

        answer = self._installation.ask(send)
        config = before if answer.unchanged else _parsed(answer.json(), before, answer.validators.etag)
        config = replace(config, fetched_s=self._clock(), project_id=settings.project_id, app_id=settings.app_id)
        self._told(before, config)
        self._keep(config)
        return config

    def _failed(self, error: UpdateError) -> None:
        says = str(error)
        if isinstance(error, HttpStatusError):
            says = _meaning(error, self._installation.settings.project_id)
            if error.status in _BACK_OFF_STATUSES:
                self._failures += 1
                wait_s = min(_FIRST_BACK_OFF_S * 2 ** min(self._failures - 1, 20), _LONGEST_BACK_OFF_S)
                wait_s = max(wait_s * (0.5 + self._chance()), error.retry_after_s or 0.0)
                self._wait_until_s = self._monotonic() + wait_s
            else:
                self._due_s = self._monotonic() + _SILENCE_S
        if says != self._trouble:
            self._trouble = says
            holds = "what it said before goes on to hold" if self._config.fetched_s else "the settings hold"
            log.warning("Remote Config cannot be had: %s; %s", says, holds)

    def _told(self, before: Config, config: Config) -> None:
        """Says what changed."""
        if (before.entries, before.experiment, before.variant) == (config.entries, config.experiment, config.variant):
            return
        found = [(name, config.entries[name]) for name in (CHANNEL, MODEL_NAME, THRESHOLD) if name in config.entries]
        ours = ", ".join(f"{name} = {value!r}" for name, value in found)
        branch = f"; experiment {config.experiment}, variant {config.variant}" if config.experiment else ""
        log.info(
            "Remote Config (template %s) says: %s%s",
            config.template or "none",
            ours or "nothing for this device",
            branch,
        )
        for name in config.senseless:
            log.warning("Remote Config's %s = %r cannot be used: the setting holds", name, config.entries[name])

    def _keep(self, config: Config) -> None:
        path = self._folder / CONFIG_FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(asdict(config)).encode())
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): Remote Config is fetched anew after a restart", path, error.strerror
            )


def _parsed(said: Any, before: Config, etag: str | None) -> Config:
    """An answer with status 200.

    Raises:
        SourceError: It makes no sense.
    """
    if not isinstance(said, dict):
        raise SourceError("what Remote Config answers is not a JSON object")
    state = said.get("state", "UPDATE")
    if state == "NO_CHANGE":
        return before
    if state in ("NO_TEMPLATE", "EMPTY_CONFIG"):
        return Config(etag=etag)
    entries = said.get("entries") or {}
    if state != "UPDATE" or not isinstance(entries, dict):
        raise SourceError(f"what Remote Config answers makes no sense (its state is {state!r})")
    experiment, variant = _branch(said)
    template = said.get("templateVersion")
    return Config(
        {str(name): value for name, value in entries.items() if isinstance(value, str)},
        experiment,
        variant,
        etag,
        str(template) if template is not None else None,
    )


def _branch(said: dict[str, Any]) -> tuple[str | None, str | None]:
    """The experiment, else the rollout, that chose a parameter of ours; any, where it does not say which it chose."""
    for key, id_key in (("experimentDescriptions", "experimentId"), ("rolloutMetadata", "rolloutId")):
        found = said.get(key)
        for each in found if isinstance(found, list) else ():
            if not isinstance(each, dict) or not isinstance(each.get(id_key), str) or not each[id_key]:
                continue
            touched = each.get("affectedParameterKeys")
            if not isinstance(touched, list) or {CHANNEL, MODEL_NAME, THRESHOLD} & {str(name) for name in touched}:
                variant = each.get("variantId")
                return each[id_key], None if variant is None else str(variant)
    return None, None


def _meaning(error: HttpStatusError, project_id: str | None) -> str:
    said = error_detail(error)
    if error.status in _BACK_OFF_STATUSES:
        return f"it is overloaded or was asked too often ({error.status}{said})"
    if error.status in (401, 403):
        return (
            f"the project {project_id} does not allow it ({error.status}{said}): the key must allow the Firebase Remote "
            "Config API, which must be enabled for the project"
        )
    return f"it answers {error.status}{said}"
