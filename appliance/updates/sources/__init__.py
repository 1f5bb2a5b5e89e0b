"""Where models come from: one protocol, one module a source, imported only when the settings name it.

A source answers two questions: what is offered now (`check`), and where are its bytes (`fetch`). It decides nothing:
whether an offer is taken, when, and what becomes of it is the machine's part (updates/updater.py). A source may keep
what it needs between two calls in memory (validators, tokens); it must work without, since the process may die at any
point. Both calls run on the updater's thread, one at a time, and may take minutes; `close` may come from another thread
and ends them soon.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance.errors import SourceSettingsError
from appliance.settings import UpdateSettings

if TYPE_CHECKING:
    from appliance.updates.device import Device
    from appliance.updates.http import Http, HttpLimits

Progress = Callable[[int, int | None], None]
"""Told while bytes arrive: how many there are, and how many there will be (None: not known)."""


FIREBASE_FOLDER = "firebase"
# Google's own date for the custom-model downloader and what manages its models.
FIREBASE_ML_END = date(2027, 6, 15)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source offers now.

    Attributes:
        hash: What identifies the offered bytes, stable across restarts: a refusal goes by it, and equal hashes are not
            fetched again. Opaque; a SHA-256 where there is one.
        version: By PEP 440, None where the source does not say before the download.
        name: The bundle's name, None where the source does not say.
        size_bytes: Of the download, None where it is not known.
        sha256: Of the .tflite in hex, None where it is not known before the download.
        variant, experiment: The branch of a rollout and the A/B experiment, for the events.
        chosen: The operator named it: it is taken although it is not newer. Otherwise versions decide where there are two.
        private: What the source itself needs to fetch it.
    """

    hash: str
    version: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    variant: str | None = None
    experiment: str | None = None
    chosen: bool = False
    private: Any = field(default=None, repr=False, compare=False)


def shown_version(offer: Offer) -> str:
    """What to call an offer before its bundle is known."""
    if offer.version:
        return offer.version
    return f"sha256:{offer.sha256[:12]}" if offer.sha256 else f"offer:{sha256(offer.hash.encode()).hexdigest()[:12]}"


class Source(Protocol):
    """One place that offers models.

    Attributes:
        origin: What to call it for people: an address without secrets, a channel.
    """

    origin: str

    def check(self, asked: bool = False) -> Offer | None:
        """What is offered now; the same offer again where nothing changed, None where nothing is offered.

        Args:
            asked: Somebody asked for it just now: what is otherwise asked less often than checks come, or is left alone
                after a refusal, is asked too.

        Raises:
            SourceError: It cannot be told now; tried again after a back-off (`retry_after_s` at the least).
            SourceSettingsError: It will not be otherwise until somebody changes the settings or the source.
        """

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Downloads what `check` offered and checks it against what was announced (hash, signature, size).

        Args:
            offer: From this object's last `check`.
            folder: Of this offer alone: it exists, and holds what an earlier call left there, to go on with.
            progress: Told while bytes arrive.

        Returns:
            The bundle in `folder`: a .zip, a .tflite or a folder.

        Raises:
            SourceChangedError: Something else is offered meanwhile: ask `check` again.
            BundleError: What came is no model for this device: it is refused.
            SourceError: As for `check`. What is of use for the next try stays in `folder`.
            OSError: The disk refuses.
        """

    def close(self) -> None:
        """Ends a call under way and frees what is held; called once, from any thread."""


def open_source(
    settings: UpdateSettings, device: str, state: Path, rest: "Device | None" = None, limits: "HttpLimits | None" = None
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
    from appliance.updates.http import Http, HttpLimits

    http = Http(limits or HttpLimits())
    if not settings.firebase.remote_config:
        return _make(settings, device, state, rest, http)
    from appliance.updates.firebase import Installation
    from appliance.updates.remote_config import RemoteConfig
    from appliance.updates.sources.configured import ConfiguredSource

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
    settings: UpdateSettings, device: str, state: Path, rest: "Device | None", http: "Http", installation: Any = None
) -> Source:
    if settings.source == "url":
        from appliance.updates.sources.url import UrlSource

        return UrlSource(settings, http)
    if settings.source == "repository":
        from appliance.updates.sources.repository import RepositorySource

        return RepositorySource(settings, device, state / "repository", http)
    from appliance.updates.firebase import Installation
    from appliance.updates.sources.firebase_ml import FirebaseMlSource

    installation = installation or Installation(settings.firebase, state / FIREBASE_FOLDER, http)
    return FirebaseMlSource(settings, installation, http, rest.running if rest else None)
