"""Which entry of a channel this device takes: pure, the same on the device and on the operator's side.

A channel is a signed file: a seed, and entries that are tried in order. An entry may be for some groups alone, and for a
slice of the devices alone. Every device has a place on the line from 0 to 100 percent, drawn from the seed and its id,
so nobody needs a list of devices, a device that comes back finds its place again, and another seed deals anew. The slices
of the same groups lie side by side in the order of their entries; so raising the last one moves no device out of another.

A device's place is Firebase's percent rule (Remote Config's server templates, in millionths of a percent):
`int(sha256(f"{seed}.{id}"), 16) % 100_000_000`, and a slice holds it where `lower < place <= upper`.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from appliance.errors import ChannelError

LINE = 100_000_000
"""The length of the line, in millionths of a percent."""

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """One bundle of a channel, and who takes it.

    Attributes:
        bundle: The path of its target in the repository.
        version: Its version as shown to people.
        variant: What the devices that take it say in their events; None: nothing.
        groups: Only devices of one of these groups take it; empty: devices of every group and of none.
        percent: The width of its slice, 0–100; None: everyone who is left.
    """

    bundle: str
    version: str
    variant: str | None = None
    groups: frozenset[str] = frozenset()
    percent: float | None = None

    def is_for(self, group: str | None) -> bool:
        """Whether devices of this group (None: of none) may take it."""
        return not self.groups or group in self.groups


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's file.

    Attributes:
        seed: Deals the devices' places.
        entries: Tried in order; the first that fits is taken.
        before: The SHA-256 of the file that this one replaced, for an operator who wants to go back; None: it is the first.
    """

    seed: str
    entries: tuple[ChannelEntry, ...] = ()
    before: str | None = None


def compute_position(seed: str, device: str) -> int:
    """A device's place on the line, 0 to LINE − 1, in millionths of a percent."""
    return int(hashlib.sha256(f"{seed}.{device}".encode()).hexdigest(), 16) % LINE


def choose_entry(channel: Channel, device: str, group: str | None = None) -> ChannelEntry | None:
    """The entry this device takes, None where none is for it."""
    where = compute_position(channel.seed, device)
    for entry, lower, upper in compute_slices(channel):
        # Place 0 lies on the line's beginning, which no slice would hold otherwise.
        if entry.is_for(group) and (lower < where <= upper or where == lower == 0 < upper):
            return entry
    return None


def compute_slices(channel: Channel) -> Iterator[tuple[ChannelEntry, int, int]]:
    """Each entry with the part of the line it holds for its groups, (lower, upper] in millionths of a percent.

    Without percent an entry holds the whole line: whoever took an earlier entry does not come as far.

    Raises:
        ChannelError: The slices for the same groups are wider than 100 percent together.
    """
    ends: dict[frozenset[str], float] = {}
    for entry in channel.entries:
        if entry.percent is None:
            yield entry, 0, LINE
            continue
        lower = ends.get(entry.groups, 0.0)
        # Summed as percent and rounded once: three slices of 33.3333 must not drift.
        upper = ends[entry.groups] = lower + entry.percent
        if round(upper * 1e6) > LINE:
            whom = f"the groups {', '.join(sorted(entry.groups))}" if entry.groups else "everyone"
            raise ChannelError(f"the slices for {whom} are {upper:g} percent together; they share 100")
        yield entry, round(lower * 1e6), round(upper * 1e6)


def parse_channel(text: bytes, where: str) -> Channel:
    """Reads a channel's file.

    Args:
        text: The file, JSON: `{"seed", "entries": [{"bundle", "version", "variant"?, "groups"?, "percent"?}]}`. Other keys
            are left alone: a later program may know them.
        where: What to call it in errors.

    Raises:
        ChannelError: It is not such a file, or its slices are wider than 100 percent.
    """
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ChannelError("it is not a JSON object")
        entries = values.get("entries")
        if not isinstance(entries, list):
            raise ChannelError("it has no list of entries")
        channel = Channel(
            seed=_text(values, "seed", required=True) or "",
            entries=tuple(_entry(entry) for entry in entries),
            before=_text(values, "before"),
        )
        list(compute_slices(channel))
        return channel
    except (ValueError, RecursionError) as error:
        raise ChannelError(f"{where} is not a channel's file: it is not JSON ({error})") from error
    except ChannelError as error:
        raise ChannelError(f"{where} is not a good channel's file: {error}") from None


def encode_channel(channel: Channel) -> bytes:
    """A channel as the file that `parse_channel` reads."""
    entries = []
    for entry in channel.entries:
        said: dict[str, Any] = {"bundle": entry.bundle, "version": entry.version}
        if entry.variant is not None:
            said["variant"] = entry.variant
        if entry.groups:
            said["groups"] = sorted(entry.groups)
        if entry.percent is not None:
            said["percent"] = entry.percent
        entries.append(said)
    values: dict[str, Any] = {"seed": channel.seed, "entries": entries}
    if channel.before is not None:
        values["before"] = channel.before
    return json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n"


def channel_path(name: str) -> str:
    """The target path of a channel's file in the repository."""
    return f"channels/{name}.json"


def _entry(values: Any) -> ChannelEntry:
    if not isinstance(values, dict):
        raise ChannelError("an entry is not a JSON object")
    groups = values.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise ChannelError("an entry's groups are not a list of names")
    if "groups" in values and not groups:
        raise ChannelError("an entry is for no group at all: name groups, or leave the key out")
    percent = values.get("percent")
    if percent is not None:
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not math.isfinite(percent):
            raise ChannelError(f"an entry's percent is not a number: {percent!r}")
        if not 0 <= percent <= 100:
            raise ChannelError(f"an entry's percent must be from 0 to 100, not {percent:g}")
    return ChannelEntry(
        bundle=_text(values, "bundle", required=True) or "",
        version=_text(values, "version", required=True) or "",
        variant=_text(values, "variant"),
        groups=frozenset(groups),
        percent=percent,
    )


def _text(values: dict[str, Any], key: str, required: bool = False) -> str | None:
    value = values.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise ChannelError(f"its {key} is missing" if value is None else f"its {key} is not a text: {value!r}")
    return value
