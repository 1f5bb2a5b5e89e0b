"""Firebase Remote Config: parameters with which a project chooses what each device runs.

Three parameters are known: `model_channel` (for the repository source), `model_name` (for firebase-ml) and
`model_threshold`. Each overrides the corresponding setting; if a parameter is missing or invalid, the setting stays in
effect. The value of an A/B variant arrives as an ordinary value; its experiment is listed separately.

The last fetched configuration stays in effect until another one is fetched, even without a network and after a restart,
so a device keeps its variant when the network fails. Protocol: the fetch of the open-source web SDK (firebase-js-sdk,
packages/remote-config).
"""

import logging
import random as random_numbers
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from appliance import __version__
from appliance.errors import HttpStatusError, SourceError, SourceSettingsError, UpdateError, describe_os_error
from appliance.settings.schema import FirebaseSettings
from appliance.system.backoff import BackOff
from appliance.system.names import is_plain_name
from appliance.system.state_file import StateFile
from appliance.updates.firebase.identity import Identity
from appliance.updates.firebase.installation import Installation, error_detail

if TYPE_CHECKING:
    from appliance.transport.http import Http
    from appliance.transport.responses import HttpResponse

log = logging.getLogger("appliance.updates")

CHANNEL, MODEL_NAME, THRESHOLD = "model_channel", "model_name", "model_threshold"
MINIMUM_INTERVAL_S = 12 * 3600.0
CONFIG_FILE = "remote-config.json"
_BACK_OFF_STATUSES = (429, 500, 502, 503, 504)
_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 120.0, 256 * 60.0
_BACK_OFF_JITTER = (0.5, 1.5)
_REFUSED_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Config:
    """What a project has chosen for this device.

    Attributes:
        entries: Every parameter with its value, as text.
        experiment: The A/B experiment or rollout that made the choice; None without one.
        variant: The variant of the experiment; None without one.
        etag: The server's ETag for this configuration.
        template: The version of the project's template, for people.
        fetched_s: When the configuration was fetched, Unix time.
        project_id: The project.
        app_id: The app in the project.
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
        """The channel of the repository; None if none is chosen."""
        return self._get_name(CHANNEL)

    @property
    def model_name(self) -> str | None:
        """The custom model; None if none is chosen."""
        return self._get_name(MODEL_NAME)

    @property
    def threshold(self) -> float | None:
        """The common threshold, 0–1; None if none is chosen."""
        try:
            value = float(self.entries[THRESHOLD])
        except (KeyError, ValueError):
            return None
        return value if 0 <= value <= 1 else None

    @property
    def invalid_names(self) -> list[str]:
        """The known parameters whose values are invalid."""
        values = {CHANNEL: self.channel, MODEL_NAME: self.model_name, THRESHOLD: self.threshold}
        return [name for name, value in values.items() if value is None and self.entries.get(name)]

    def _get_name(self, key: str) -> str | None:
        value = self.entries.get(key, "")
        return value if is_plain_name(value) else None


def load_config(folder: Path, settings: FirebaseSettings) -> Config:
    """Load the last fetched configuration of this project; empty if there is none or it cannot be read."""
    config = _open_file(folder).read()
    return config if (config.project_id, config.app_id) == (settings.project_id, settings.app_id) else Config()


class RemoteConfig:
    """What the project has chosen for this device, fetched again at intervals.

    Attributes:
        error: Why the last fetch failed; None if it succeeded.
    """

    def __init__(
        self,
        installation: Installation,
        http: "Http",
        folder: Path,
        group: str | None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_numbers.random,
    ):
        """Load the last fetched configuration; nothing is requested yet.

        Args:
            installation: This device's identity.
            http: Sends the requests.
            folder: The folder for the fetched configuration.
            group: Sent as the custom signal `group`, for conditions in the template; None to send none.
            clock: Returns Unix time in seconds.
            monotonic: Returns monotonic time in seconds.
            random: Returns a number from 0 to 1, which spreads the requests of many devices.
        """
        self.error: str | None = None
        self._installation = installation
        self._http = http
        self._file = _open_file(folder)
        self._group = group
        self._clock, self._monotonic = clock, monotonic
        self._config = load_config(folder, installation.settings)
        age_s = clock() - self._config.fetched_s
        # If the clock was set back, the age is unknown, so fetch now.
        self._due_s = monotonic() + (MINIMUM_INTERVAL_S - age_s if 0 <= age_s < MINIMUM_INTERVAL_S else 0.0)
        self._backoff = BackOff(_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S, _BACK_OFF_JITTER, random)
        self._wait_until_s = 0.0

    def get_config(self, requested: bool = False) -> Config:
        """Return the configuration in effect; fetch it first if it is due, or if the owner asks for a check.

        A failure is logged once, and the last configuration stays in effect. An overloaded server gets no requests for
        2, 4 … 256 minutes (± 50 %), not even if the owner asks.
        """
        if requested:
            self._installation.clear_backoff()
        now_s = self._monotonic()
        if now_s < self._wait_until_s or (now_s < self._due_s and not requested):
            return self._config
        try:
            self._config = self._fetch()
        except (SourceError, SourceSettingsError) as error:
            self._record_failure(error)
            return self._config
        self._due_s = self._monotonic() + MINIMUM_INTERVAL_S
        self._backoff.reset()
        if self.error:
            self.error = None
            log.info("Remote Config is available again")
        return self._config

    def _fetch(self) -> Config:
        before, settings = self._config, self._installation.settings
        url = (
            f"{self._installation.endpoints.remote_config}/v1/projects/{quote(settings.project_id or '')}"
            f"/namespaces/firebase:fetch?key={quote(settings.api_key or '')}"
        )

        def send(identity: Identity) -> "HttpResponse":
            body: dict[str, Any] = {
                "app_instance_id": identity.fid,
                "app_instance_id_token": identity.token,
                "app_id": settings.app_id,
                "app_version": __version__,
                "sdk_version": __version__,
                "language_code": "en",
            }
            if self._group:
                body["custom_signals"] = {"group": self._group}
            headers = {
                "If-None-Match": before.etag or "*",
                "X-Goog-Firebase-Installations-Auth": identity.token,
            }
            return self._http.post(url, body, headers=self._installation.headers | headers, statuses=(304,))

        response = self._installation.send(send)
        config = before if response.is_unchanged else _parse_config(response.json(), before, response.validators.etag)
        config = replace(config, fetched_s=self._clock(), project_id=settings.project_id, app_id=settings.app_id)
        _log_changes(before, config)
        self._write(config)
        return config

    def _record_failure(self, error: UpdateError) -> None:
        reason = str(error)
        if isinstance(error, HttpStatusError):
            reason = _describe_status(error, self._installation.settings.project_id)
            if error.status in _BACK_OFF_STATUSES:
                self._wait_until_s = self._monotonic() + self._backoff.next_s(error.retry_after_s)
            else:
                self._due_s = self._monotonic() + _REFUSED_WAIT_S
        if reason != self.error:
            self.error = reason
            fallback = "its last configuration" if self._config.fetched_s else "the settings"
            log.warning("Remote Config is not available: %s; using %s", reason, fallback)

    def _write(self, config: Config) -> None:
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.write(config)
        except OSError as error:
            log.warning(
                "%s cannot be written: %s; Remote Config will be fetched again after a restart",
                self._file.path,
                describe_os_error(error),
            )


def _open_file(folder: Path) -> StateFile[Config]:
    return StateFile(
        folder / CONFIG_FILE,
        _decode_config,
        _encode_config,
        Config(),
        mode=0o640,
        if_unreadable="Remote Config will be fetched again",
        log=log,
    )


def _encode_config(config: Config) -> dict[str, Any]:
    return {
        "entries": dict(config.entries),
        "experiment": config.experiment,
        "variant": config.variant,
        "etag": config.etag,
        "template": config.template,
        "fetched_s": config.fetched_s,
        "project_id": config.project_id,
        "app_id": config.app_id,
    }


def _decode_config(values: Any) -> Config:
    entries, fetched_s = values["entries"], values["fetched_s"]
    texts = {key: values.get(key) for key in ("experiment", "variant", "etag", "template", "project_id", "app_id")}
    if not isinstance(fetched_s, int | float) or not all(
        text is None or isinstance(text, str) for text in texts.values()
    ):
        raise TypeError("a value has the wrong type")
    if not all(isinstance(value, str) for value in entries.values()):
        raise TypeError("a parameter is not a string")
    if texts["etag"] and not (texts["etag"].isascii() and texts["etag"].isprintable()):
        raise ValueError("the ETag cannot be sent in a header")
    return Config(entries=entries, fetched_s=fetched_s, **texts)


def _log_changes(before: Config, config: Config) -> None:
    if (before.entries, before.experiment, before.variant) == (config.entries, config.experiment, config.variant):
        return
    known = [(name, config.entries[name]) for name in (CHANNEL, MODEL_NAME, THRESHOLD) if name in config.entries]
    choices = ", ".join(f"{name} = {value!r}" for name, value in known)
    branch = f"; experiment {config.experiment}, variant {config.variant}" if config.experiment else ""
    log.info(
        "Remote Config (template %s): %s%s",
        config.template or "none",
        choices or "nothing for this device",
        branch,
    )
    for name in config.invalid_names:
        log.warning("Remote Config's %s = %r is invalid; the setting stays in effect", name, config.entries[name])


def _parse_config(values: Any, before: Config, etag: str | None) -> Config:
    """Parse a response with status 200.

    Raises:
        SourceError: The response is invalid.
    """
    if not isinstance(values, dict):
        raise SourceError("Remote Config's response is not a JSON object")
    state = values.get("state", "UPDATE")
    if state == "NO_CHANGE":
        return before
    if state in ("NO_TEMPLATE", "EMPTY_CONFIG"):
        return Config(etag=etag)
    entries = values.get("entries") or {}
    if state != "UPDATE" or not isinstance(entries, dict):
        raise SourceError(f"Remote Config's response is invalid (its state is {state!r})")
    experiment, variant = _parse_branch(values)
    template = values.get("templateVersion")
    return Config(
        {str(name): value for name, value in entries.items() if isinstance(value, str)},
        experiment,
        variant,
        etag,
        str(template) if template is not None else None,
    )


def _parse_branch(values: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the experiment (else the rollout) and variant that set a known parameter, or that list no parameters."""
    for key, id_key in (("experimentDescriptions", "experimentId"), ("rolloutMetadata", "rolloutId")):
        descriptions = values.get(key)
        for each in descriptions if isinstance(descriptions, list) else ():
            if isinstance(each, dict) and _has_known_parameter(each):
                branch, variant = each.get(id_key), each.get("variantId")
                if isinstance(branch, str) and branch:
                    return branch, None if variant is None else str(variant)
    return None, None


def _has_known_parameter(description: dict[str, Any]) -> bool:
    names = description.get("affectedParameterKeys")
    return not isinstance(names, list) or bool({CHANNEL, MODEL_NAME, THRESHOLD} & {str(name) for name in names})


def _describe_status(error: HttpStatusError, project_id: str | None) -> str:
    detail = error_detail(error)
    if error.status in _BACK_OFF_STATUSES:
        return f"the server is overloaded or received too many requests ({error.status}{detail})"
    if error.status in (401, 403):
        return (
            f"the project {project_id} does not allow it ({error.status}{detail}); enable the Firebase Remote Config "
            "API for the project, and allow it for the key"
        )
    return f"the server answers {error.status}{detail}"
