"""Keep what a copy of a site knows about its place: where it is served, and what was seen there.

The file is hidden, so hosts that leave hidden files out do not upload it, and `publish sync` does not either. It
contains no secret.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.system.atomic_files import write_durably
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.workshop.publishing.seen_versions import SeenVersions, encode_seen, merge_seen, parse_seen

SITE_FILE_NAME = ".publish.json"
"""In the folder of the site."""
KEYS_FILE_NAME = "seen.json"
"""In the folder of the keys."""

_MARKS = (SITE_FILE_NAME, "firebase.json")
_MAX_BYTES, _MAX_PLACES, _MAX_PLACE = 256 * 1024, 50, 2048


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """What is known about a site.

    Attributes:
        served: The address, or the folder, from which devices get it; None if it is not known.
        seen: The highest versions that were seen at each place.
    """

    served: str | None = None
    seen: Mapping[str, SeenVersions] = field(default_factory=dict)

    def remember(self, place: str, found: SeenVersions) -> "SiteRecord":
        """Return the record with what was found at a place."""
        others = [(name, seen) for name, seen in self.seen.items() if name != place][-(_MAX_PLACES - 1) :]
        return replace(self, seen={**dict(others), place: merge_seen(self.seen.get(place, {}), found)})


def read_record(file: Path) -> SiteRecord:
    """Read a record; one that is missing or damaged is empty, because it can be made again."""
    with contextlib.suppress(OSError, ValueError):
        with file.open("rb") as opened:
            values = parse_json(opened.read(_MAX_BYTES))
        if isinstance(values, dict):
            served, places = values.get("served"), values.get("seen")
            return SiteRecord(
                served if isinstance(served, str) and served == clean_text(served, _MAX_PLACE) and served else None,
                {place: parse_seen(seen) for place, seen in places.items()} if isinstance(places, dict) else {},
            )
    return SiteRecord()


def write_record(file: Path, record: SiteRecord, mode: int = 0o644) -> None:
    """Write a record.

    Raises:
        OSError: The file cannot be written.
    """
    values = {"served": record.served, "seen": {place: encode_seen(seen) for place, seen in record.seen.items()}}
    write_durably(file, json.dumps(values, indent=1).encode() + b"\n", mode)


class SiteMemory:
    """The records of one copy of a site: its own file, and the one in the folder of its keys."""

    def __init__(self, site: Path | None, keys: Path | None) -> None:
        """Remember the files; read nothing yet.

        Args:
            site: The folder of the site; None if only a served site is checked.
            keys: The folder of the keys; None if it is not given.
        """
        self._site_file = site / SITE_FILE_NAME if site and site.is_dir() else None
        self._keys_file = keys / KEYS_FILE_NAME if keys and keys.is_dir() else None

    @property
    def served(self) -> str | None:
        """Where the site is served; None if that is not known."""
        return read_record(self._site_file).served if self._site_file else None

    def keep_served(self, served: str | None) -> None:
        """Write where the site is served into its own file.

        Raises:
            OSError: The file cannot be written.
        """
        if self._site_file and (record := read_record(self._site_file)).served != served:
            write_record(self._site_file, replace(record, served=served))

    def get_seen(self, place: str) -> SeenVersions:
        """Return the highest versions that were seen at a place."""
        seen: SeenVersions = {}
        for file in filter(None, (self._keys_file, self._site_file)):
            seen = merge_seen(seen, read_record(file).seen.get(place, {}))
        return seen

    def remember(self, place: str, found: SeenVersions) -> bool:
        """Add what was found at a place.

        Returns:
            Whether it was kept; False if no file can be written.
        """
        is_kept = False
        # A folder that a web server serves is no operator's copy, and gets no file.
        is_copy = self._site_file and any(self._site_file.with_name(name).exists() for name in _MARKS)
        for file in filter(None, (self._keys_file, self._site_file if is_copy else None)):
            record = read_record(file)
            with contextlib.suppress(OSError):
                if (changed := record.remember(place, found)) != record:
                    write_record(file, changed)
                is_kept = True
        return is_kept
