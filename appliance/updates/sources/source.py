"""The protocol and the values of all update sources.

A source returns what is offered now (`check`), and downloads it (`fetch`). It decides nothing; the updater decides
whether and when an offer is installed (updates/policy.py). Between two calls, a source may keep data in memory
(validators, tokens), but must work without that data, because the process may be killed at any time. Both calls run on
the updater's thread, one at a time, and may take minutes; `close` may be called from another thread and ends them soon.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

# Called while bytes arrive, with the number of bytes received and the total number (None if unknown).
Progress = Callable[[int, int | None], None]

FIREBASE_FOLDER = "firebase"


@dataclass(frozen=True, slots=True)
class Offer:
    """The current offer of a source.

    Attributes:
        hash: Identifies the offered bytes, and stays the same across restarts: rejections refer to it, and bytes with
            the same hash are not downloaded again. Opaque; a SHA-256 if there is one.
        version: The PEP 440 version; None if not known before the download.
        name: The bundle's name; None if not known before the download.
        size_bytes: The size of the download; None if unknown.
        sha256: SHA-256 of the .tflite file in hex; None if not known before the download.
        variant: The arm of a comparison of models, for the events; None if there is none.
        experiment: The A/B experiment, for the events; None if there is none.
        pinned: Whether the operator chose exactly this model, so that it is installed even if it is not newer.
            Otherwise the versions decide, if both models have one.
        is_bound: Whether the hash identifies the bytes; False if it identifies only what the server states about them
            (an ETag, a date), so that the same hash may come with other bytes.
        private: What the source itself needs for the download.
    """

    hash: str
    version: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    variant: str | None = None
    experiment: str | None = None
    pinned: bool = False
    is_bound: bool = True
    private: Any = field(default=None, repr=False, compare=False)


def display_version(offer: Offer) -> str:
    """Return the name to display for an offer before its bundle is known."""
    if offer.version:
        return offer.version
    return f"sha256:{offer.sha256[:12]}" if offer.sha256 else f"offer:{sha256(offer.hash.encode()).hexdigest()[:12]}"


class Source(Protocol):
    """A source of models.

    Attributes:
        origin: The name to display: an address without secrets, or a channel.
    """

    origin: str

    def check(self, requested: bool = False) -> Offer | None:
        """Return the current offer: an equal one if nothing changed, None if nothing is offered.

        Args:
            requested: Whether the owner asked for this check, so that servers are also queried that would otherwise be
                queried later (Remote Config at its interval, Firebase a day after a refusal).

        Raises:
            SourceError: The check failed; retry after a back-off of at least `retry_after_s`.
            SourceSettingsError: The check will fail until the settings or the source are changed.
        """
        ...

    def forget(self) -> None:
        """Drop what the source remembers of answers, so that the next check asks unconditionally.

        Called before a check that the owner asks for, before every 24th other check, and after every failure.
        """
        ...

    def is_unchanged(self) -> bool:
        """Return whether one small request shows that the offer is still the last one; False if it is not certain.

        Raises:
            SourceError, SourceSettingsError: As in `check`.
        """
        ...

    def has_withdrawn(self, offer_hash: str) -> bool:
        """Return whether the last check, which offered nothing, shows that an earlier offer is withdrawn.

        Args:
            offer_hash: The hash of the earlier offer.
        """
        ...

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download an offer, and check it against the announced hash, signature or size.

        Args:
            offer: The result of this object's last `check`.
            folder: An existing folder for this offer only; it may contain what an earlier call left, to resume from.
            progress: Called while bytes arrive.

        Returns:
            The bundle in `folder`: a .zip, a .tflite or a folder.

        Raises:
            SourceChangedError: Another model is offered now; call `check` again.
            BundleError: The download is not a model for this device; reject it.
            SourceError: As in `check`. What is useful for the next attempt stays in `folder`.
            OSError: The disk cannot be written.
        """
        ...

    def close(self) -> None:
        """End a current call and release resources; called once, from any thread."""
        ...
