"""Choose the entry of a channel for a device: pure functions, identical for the device and the operator.

A channel is a signed file that contains a seed and a list of entries, tried in order. An entry may be restricted to
some groups, and to a slice of the devices. Every device has a position from 0 to 100 percent, computed from the seed
and the device's id. So no list of devices is needed, a device keeps its position after a reset, and a new seed
reshuffles all devices. Slices of the same groups are adjacent, in the order of their entries, so widening the last one
moves no device out of another slice.

The position follows Firebase's percent rule (Remote Config's server templates, in millionths of a percent):
`int(sha256(f"{seed}.{id}"), 16) % 100_000_000`, and a slice contains it if `lower < position <= upper`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from appliance.errors import ChannelError
from appliance.repository.requirements import DeviceTraits, Requirements, find_misfit, parse_requirements
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json

_MAX_TEXT, _MAX_SHOWN = 255, 100

POSITIONS = 100_000_000
"""The number of positions: 100 percent in millionths of a percent."""

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class ChannelEntry:
    """One bundle of a channel, and the devices that take it.

    Attributes:
        bundle: The path of the bundle's target in the repository.
        version: The bundle's version, for display.
        variant: The variant that devices with this bundle report in their events; None for no variant.
        groups: Only devices in one of these groups take the bundle; empty for all devices, with or without a group.
        percent: The width of the slice, 0–100; None for all remaining devices.
        requires: What a device must have to take the bundle; None for nothing.
    """

    bundle: str
    version: str
    variant: str | None = None
    groups: frozenset[str] = frozenset()
    percent: float | None = None
    requires: Requirements | None = None

    def is_for(self, group: str | None) -> bool:
        """Return whether devices in this group (None: in no group) may take the bundle."""
        return not self.groups or group in self.groups


@dataclass(frozen=True, slots=True)
class Channel:
    """The contents of a channel's file.

    Attributes:
        seed: Determines the devices' positions.
        entries: The entries; the first one that matches a device is taken.
        before: The SHA-256 of the file that this one replaced, for an operator's rollback; None for the first file.
    """

    seed: str
    entries: tuple[ChannelEntry, ...] = ()
    before: str | None = None


def compute_position(seed: str, device: str) -> int:
    """Return a device's position, 0 to POSITIONS − 1, in millionths of a percent."""
    return int(hashlib.sha256(f"{seed}.{device}".encode()).hexdigest(), 16) % POSITIONS


def choose_entry(
    channel: Channel,
    device: str,
    group: str | None = None,
    traits: DeviceTraits | None = None,
    report_skipped: Callable[[ChannelEntry, str], None] | None = None,
) -> ChannelEntry | None:
    """Return the entry that this device takes, or None if no entry matches.

    Args:
        channel: The channel.
        device: The device id.
        group: The device's group; None for no group.
        traits: What the device has; None to ignore what entries require.
        report_skipped: Called with each entry that is for this device but requires more than it has, and the reason.
    """
    position = compute_position(channel.seed, device)
    for entry, lower, upper in compute_slices(channel):
        # By the rule, no slice contains position 0, so the first slice takes it.
        if not (entry.is_for(group) and (lower < position <= upper or position == lower == 0 < upper)):
            continue
        misfit = find_misfit(entry.requires, traits) if entry.requires and traits else None
        if misfit is None:
            return entry
        if report_skipped is not None:
            report_skipped(entry, misfit)
    return None


def compute_slices(channel: Channel) -> Iterator[tuple[ChannelEntry, int, int]]:
    """Yield each entry with its slice of the positions, (lower, upper] in millionths of a percent.

    An entry without a percent covers all positions; devices that match an earlier entry never reach it.

    Raises:
        ChannelError: The slices of the same groups add up to more than 100 percent.
    """
    ends: dict[frozenset[str], float] = {}
    for entry in channel.entries:
        if entry.percent is None:
            yield entry, 0, POSITIONS
            continue
        lower = ends.get(entry.groups, 0.0)
        # Summed as percent and rounded once, so that three slices of 33.3333 do not drift.
        upper = ends[entry.groups] = lower + entry.percent
        if round(upper * 1e6) > POSITIONS:
            devices = f"the groups {', '.join(sorted(entry.groups))}" if entry.groups else "all devices"
            raise ChannelError(f"the slices for {devices} add up to {upper:g} percent; the maximum is 100")
        yield entry, round(lower * 1e6), round(upper * 1e6)


def parse_channel(text: bytes, source: str) -> Channel:
    """Parse a channel's file.

    Args:
        text: The file, JSON: `{"seed", "entries": [{"bundle", "version", "variant"?, "groups"?, "percent"?,
            "requires"?}]}`. Other keys are ignored, because a later release may define them.
        source: How to refer to the file in errors.

    Raises:
        ChannelError: The text is not a channel file, or its slices exceed 100 percent.
    """
    try:
        values = parse_json(text)
        if not isinstance(values, dict):
            raise ChannelError("it is not a JSON object")
        entries = values.get("entries")
        if not isinstance(entries, list):
            raise ChannelError("it has no list of entries")
        channel = Channel(
            seed=_require_text(values, "seed"),
            entries=tuple(_parse_entry(entry) for entry in entries),
            before=_get_text(values, "before"),
        )
        list(compute_slices(channel))
        return channel
    except ValueError as error:
        reason = clean_text(str(error), _MAX_SHOWN)
        raise ChannelError(f"{source} is not a channel file: it is not JSON ({reason})") from error
    except ChannelError as error:
        raise ChannelError(f"{source} is not a valid channel file: {error}") from None


def encode_channel(channel: Channel) -> bytes:
    """Encode a channel as a file that `parse_channel` accepts."""
    entries = []
    for entry in channel.entries:
        item: dict[str, Any] = {"bundle": entry.bundle, "version": entry.version}
        if entry.variant is not None:
            item["variant"] = entry.variant
        if entry.groups:
            item["groups"] = sorted(entry.groups)
        if entry.percent is not None:
            item["percent"] = entry.percent
        if entry.requires is not None:
            item["requires"] = entry.requires.as_dict()
        entries.append(item)
    values: dict[str, Any] = {"seed": channel.seed, "entries": entries}
    if channel.before is not None:
        values["before"] = channel.before
    return json.dumps(values, indent=1, ensure_ascii=False).encode() + b"\n"


def channel_path(name: str) -> str:
    """Return the target path of a channel's file in the repository."""
    return f"channels/{name}.json"


def _parse_entry(values: Any) -> ChannelEntry:
    if not isinstance(values, dict):
        raise ChannelError("an entry is not a JSON object")
    groups = values.get("groups", [])
    if not isinstance(groups, list) or not all(
        isinstance(group, str) and group == clean_text(group, _MAX_TEXT) for group in groups
    ):
        raise ChannelError("an entry's groups are not a list of names")
    if "groups" in values and not groups:
        raise ChannelError("an entry has an empty list of groups; list some, or omit the key")
    return ChannelEntry(
        bundle=_require_text(values, "bundle"),
        version=_require_text(values, "version"),
        variant=_get_text(values, "variant"),
        groups=frozenset(groups),
        percent=_parse_percent(values.get("percent")),
        requires=parse_requirements(values.get("requires")),
    )


def _parse_percent(percent: Any) -> float | None:
    if percent is None:
        return None
    if isinstance(percent, bool) or not isinstance(percent, int | float):
        raise ChannelError(f"an entry's percent is not a number: {clean_text(repr(percent), _MAX_SHOWN)}")
    if not 0 <= percent <= 100:  # compared first: a large integer cannot be converted to a float
        raise ChannelError(f"an entry's percent must be from 0 to 100, not {clean_text(str(percent), 20)}")
    return percent


def _require_text(values: dict[str, Any], key: str) -> str:
    text = _get_text(values, key)
    if text is None:
        raise ChannelError(f"its {key} is missing")
    return text


def _get_text(values: dict[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ChannelError(f"its {key} is not a string: {clean_text(repr(value), _MAX_SHOWN)}")
    if value is not None and value != clean_text(value, _MAX_TEXT):
        raise ChannelError(f"its {key} has more than {_MAX_TEXT} characters, or control characters")
    return value
