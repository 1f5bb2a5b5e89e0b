"""The protocol and the values of all update sources.

A source answers two questions: what is offered now (`check`), and how to get its bytes (`fetch`). It decides nothing;
the updater decides whether and when an offer is installed (updates/policy.py). A source may keep what it needs between
two calls in memory (validators, tokens), but must work without it, since the process may be killed at any point. Both
calls run on the updater's thread, one at a time, and may take minutes; `close` may be called by another thread and ends
them soon.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

# Called while bytes arrive, with the bytes received and the bytes in total (None: not known).
Progress = Callable[[int, int | None], None]

FIREBASE_FOLDER = "firebase"


@dataclass(frozen=True, slots=True)
class Offer:
    """The present offer of a source.

    Attributes:
        hash: Identifies the offered bytes, and stays the same across restarts: rejections refer to it, and bytes with
            an equal hash are not fetched again. Opaque; a SHA-256 if there is one.
        version: By PEP 440, None if it is not known before the download.
        name: The bundle's name, None if it is not known before the download.
        size_bytes: The size of the download, None if it is not known.
        sha256: SHA-256 of the .tflite file in hex, None if it is not known before the download.
        variant: The branch of the rollout, for the events.
        experiment: The A/B experiment, for the events.
        pinned: Whether the operator chose exactly this model: it is installed although it is not newer. Otherwise
            versions decide, if both models have one.
        private: What the source itself needs to fetch it.
    """

    hash: str
    version: str | None = None
    name: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    variant: str | None = None
    experiment: str | None = None
    pinned: bool = False
    private: Any = field(default=None, repr=False, compare=False)


def display_version(offer: Offer) -> str:
    """Return how to call an offer before its bundle is known."""
    if offer.version:
        return offer.version
    return f"sha256:{offer.sha256[:12]}" if offer.sha256 else f"offer:{sha256(offer.hash.encode()).hexdigest()[:12]}"


class Source(Protocol):
    """A source of models.

    Attributes:
        origin: How to call it for people: an address without secrets, a channel.
    """

    origin: str

    def check(self, requested: bool = False) -> Offer | None:
        """Return the present offer: an equal one if nothing changed, None if nothing is offered.

        Args:
            requested: Whether the owner asks for this check: it also asks servers that are otherwise asked less often,
                or not after a refusal.

        Raises:
            SourceError: It failed; to be tried again after a back-off (at least `retry_after_s`).
            SourceSettingsError: It will fail until the settings or the source are changed.
        """
        ...

    def fetch(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Download an offer, and check it against what was announced (hash, signature, size).

        Args:
            offer: The result of this object's last `check`.
            folder: An existing folder for this offer alone; it has what an earlier call left there, to continue with.
            progress: Called while bytes arrive.

        Returns:
            The bundle in `folder`: a .zip, a .tflite or a folder.

        Raises:
            SourceChangedError: Another model is offered now: call `check` again.
            BundleError: The download is not a model for this device; reject it.
            SourceError: As for `check`. What is useful for the next attempt stays in `folder`.
            OSError: The disk cannot be written.
        """
        ...

    def close(self) -> None:
        """End a call under way and release what is held; called once, by any thread."""
        ...
