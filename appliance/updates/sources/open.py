"""Where models come from: one protocol, one module a source, imported only when the settings name it.

A source answers two questions: what is offered now (`check`), and where are its bytes (`fetch`). It decides nothing:
whether an offer is taken, when, and what becomes of it is the machine's part (updates/updater.py). A source may keep
what it needs between two calls in memory (validators, tokens); it must work without, since the process may die at any
point. Both calls run on the updater's thread, one at a time, and may take minutes; `close` may come from another thread
and ends them soon.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.source import FIREBASE_FOLDER, FIREBASE_ML_END, Source

if TYPE_CHECKING:
    from appliance.transport.http import Http, HttpLimits
    from appliance.updates.host import Host

"""Told while bytes arrive: how many there are, and how many there will be (None: not known)."""


def open_source(
    settings: UpdateSettings, device: str, state: Path, rest: "Host | None" = None, limits: "HttpLimits | None" = None
) -> Source:
    """The source that the settings name.

    Args:
        settings: `source` is not `none`.
        device: The device's id: its place in a rollout.
        state: The state folder; a source that must keep something for ever (trusted metadata, an installation id) keeps it
            in a folder of its own below.
        rest: The rest of the program: its labels, and who is told a threshold; None where nothing labels.
        limits: Of each request; None: the usual ones.

    Raises:
        SourceSettingsError: The settings do not suffice for this source.
    """
    if settings.source == "none":
        raise SourceSettingsError("update.source is none: there is nobody to ask")
    from appliance.transport.http import Http, HttpLimits

    http = Http(limits or HttpLimits())
    if not settings.firebase.remote_config:
        return _make(settings, device, state, rest, http)
    from appliance.updates.firebase.installation import Installation
    from appliance.updates.firebase.remote_config import RemoteConfig
    from appliance.updates.sources.remote_config import ConfiguredSource

    installation = Installation(settings.firebase, state / FIREBASE_FOLDER, http)
    config = RemoteConfig(installation, http, state / FIREBASE_FOLDER, settings.group)
    return ConfiguredSource(
        settings, config, http, lambda chosen: _make(chosen, device, state, rest, http, installation),
        rest.configured if rest else lambda threshold: None,
    )  # fmt: skip


def notice(settings: UpdateSettings, today: date) -> str | None:
    """What the owner of a device with these settings should know before it is too late, in one sentence; None: nothing."""
    if settings.source != "firebase-ml":
        return None
    ends = "was shut down" if today >= FIREBASE_ML_END else "is shut down"
    return (
        f"Firebase ML {ends} on {FIREBASE_ML_END}: serve the model from a static address instead "
        "(update.source = 'url', or 'repository' for signed models)"
    )


def _make(
    settings: UpdateSettings, device: str, state: Path, rest: "Host | None", http: "Http", installation: Any = None
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
    return FirebaseMlSource(settings, installation, http, rest.running if rest else None)
