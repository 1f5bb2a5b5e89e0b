"""Open the configured update source; each source's module is imported only when it is used."""

from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.source import FIREBASE_FOLDER, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.transport.http import Http, HttpLimits
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.host import Host


def open_source(
    settings: UpdateSettings, device: str, state: Path, host: "Host | None" = None, limits: "HttpLimits | None" = None
) -> Source:
    """Open the configured source.

    Args:
        settings: The update section.
        device: The device id, which determines the device's place in a rollout.
        state: The state folder; a source keeps trusted metadata or an installation id in its own subfolder.
        host: The program that labels, for its labels and its threshold; None if it does not run.
        limits: The limits of each request; None for the defaults.

    Raises:
        SourceSettingsError: No source is configured, or a setting that the source requires is missing.
    """
    if settings.source == "none":
        raise SourceSettingsError("no update source is configured; set update.source")
    from appliance.transport.http import Http, HttpLimits

    http = Http(limits or HttpLimits())
    if not settings.firebase.remote_config:
        return _open(settings, device, state, host, http)
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
        lambda chosen: _open(chosen, device, state, host, http, installation),
        apply_threshold,
    )


def _open(
    settings: UpdateSettings,
    device: str,
    state: Path,
    host: "Host | None",
    http: "Http",
    installation: "Installation | None" = None,
) -> Source:
    if settings.source == "url":
        from appliance.updates.sources.url import UrlSource

        return UrlSource(settings, http)
    if settings.source == "repository":
        from appliance.updates.sources.repository import RepositorySource

        return RepositorySource(settings, device, state / "repository", http)
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.sources.firebase_ml import FirebaseMlSource

    installation = installation or Installation(settings.firebase, state / FIREBASE_FOLDER, http)
    return FirebaseMlSource(settings, installation, http, host.running_bundle if host else None)
