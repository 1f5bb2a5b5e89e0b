"""Protocol and values shared by all update sources."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[int, int | None], None]


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
