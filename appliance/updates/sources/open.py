"""Open the configured update source; each source's module is imported only when it is used."""

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import SettingsError, SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.system.urls import is_loopback
from appliance.updates.sources.source import FIREBASE_FOLDER, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.transport.http import Http, HttpLimits
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.host import Host


def open_source(
    settings: UpdateSettings,
    device: str,
    state: Path,
    host: "Host | None" = None,
    limits: "HttpLimits | None" = None,
    frame_size: tuple[int, int] | None = None,
) -> Source:
    """Open the configured source.

    Args:
        settings: The update section.
        device: The device id, which determines the device's place in a rollout.
        state: The state folder; a source keeps trusted metadata or an installation id in its own subfolder.
        host: The program that labels, for its labels and its threshold; None if it does not run.
        limits: The limits of each request; None for the defaults.
        frame_size: The size of the camera's frames, (height, width) in pixels; None if it adapts to the model.

    Raises:
        SourceSettingsError: No source is configured, or a setting that the source requires is missing.
    """
    if settings.source == "none":
        raise SourceSettingsError("no update source is configured; set update.source")
    http = _make_http(settings, limits)
    if not settings.firebase.remote_config:
        return _open(settings, device, state, host, http, frame_size=frame_size)
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.firebase.remote_config import RemoteConfig
    from appliance.updates.sources.remote_config import ConfiguredSource

    installation = Installation(settings.firebase, state / FIREBASE_FOLDER, http)
    config = RemoteConfig(installation, http, state / FIREBASE_FOLDER, settings.group)
    apply_threshold: Callable[[float | None], None] = host.apply_remote_threshold if host else lambda _: None
    return ConfiguredSource(
        settings,
        config,
        http,
        lambda chosen: _open(chosen, device, state, host, http, installation, frame_size),
        apply_threshold,
    )


def _make_http(settings: UpdateSettings, limits: "HttpLimits | None") -> "Http":
    """Make the client of all sources; only a signed repository may be served over plain http in a private network."""
    from appliance.transport.http import Http, HttpLimits
    from appliance.transport.private_hosts import is_private_host
    from appliance.transport.trust import Trust

    is_http_allowed = settings.allow_http and settings.source == "repository"
    try:
        return Http(
            limits or HttpLimits(),
            trust=Trust(settings.ca_file, ca_key="update.ca_file"),
            allow_http=is_private_host if is_http_allowed else is_loopback,
        )
    except SettingsError as error:
        raise SourceSettingsError(str(error)) from error


def _open(
    settings: UpdateSettings,
    device: str,
    state: Path,
    host: "Host | None",
    http: "Http",
    installation: "Installation | None" = None,
    frame_size: tuple[int, int] | None = None,
) -> Source:
    if settings.source == "url":
        from appliance.updates.sources.url import UrlSource

        return UrlSource(settings, http, state)
    if settings.source == "repository":
        from appliance.updates.sources.repository import RepositorySource
        from appliance.updates.sources.traits import read_traits

        return RepositorySource(settings, device, state / "repository", http, read_traits(frame_size))
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.sources.firebase_ml import FirebaseMlSource

    installation = installation or Installation(settings.firebase, state / FIREBASE_FOLDER, http)
    return FirebaseMlSource(settings, installation, http, host.running_bundle if host else None)
