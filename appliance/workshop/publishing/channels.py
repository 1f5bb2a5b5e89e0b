"""Change the entries of a channel and compute the effect on its devices, with pure functions.

A push for everyone replaces all entries of a channel, so that it really is for everyone. A push for a group or a slice
is inserted before the entry for the other devices. It replaces a slice of the same variant (or, without variants, of
the same bundle) in the same position, so increasing the percentage affects no other device if it is the last slice of
its groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from appliance.errors import PublishError
from appliance.repository.channel import POSITIONS, Channel, ChannelEntry, compute_slices
from appliance.repository.requirements import describe_requirements


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """The share of a group of devices whose bundle changes.

    Attributes:
        group: The group; None for the devices that are in no group of the channel.
        percent: The share, 0–100.
    """

    group: str | None
    percent: float


def add_entry(channel: Channel, entry: ChannelEntry) -> Channel:
    """Return a channel with an entry added.

    Raises:
        ChannelError: The slices for the entry's groups add up to more than 100 percent.
    """
    entries = list(channel.entries)
    if entry.percent is None and entry.requires is not None:
        entries = [entry, *(each for each in entries if (each.groups, each.requires) != (entry.groups, entry.requires))]
    elif entry.percent is None:
        entries = [entry, *(each for each in entries if each.groups != entry.groups)] if entry.groups else [entry]
    else:
        _add_slice(entries, entry)
    changed = replace(channel, entries=tuple(entries))
    list(compute_slices(changed))  # checks the sum
    return changed


def promote_entry(entry: ChannelEntry, percent: float | None) -> ChannelEntry:
    """Return an entry for more devices: a wider slice, or everyone."""
    if percent is None:
        return replace(entry, variant=None, groups=frozenset(), percent=None)
    if entry.percent is None:
        return replace(entry, groups=frozenset(), percent=percent)
    return replace(entry, percent=percent)


def pick_entry(
    channel: Channel, name: str, version: str | None, variant: str | None, partial: bool, percent: float | None = None
) -> ChannelEntry:
    """Return the only matching entry of a channel, promoted; entries with the same result count as one.

    Args:
        channel: The channel with the entries.
        name: The channel's name, for errors.
        version: Consider only entries with this version, if given.
        variant: Consider only entries with this variant, if given.
        partial: Consider only entries that are not for everyone.
        percent: The slice to promote to; None for everyone.

    Raises:
        PublishError: No entry or several entries match; the message lists them.
    """
    matching = {
        promote_entry(entry, percent)
        for entry in channel.entries
        if version in (None, entry.version)
        and variant in (None, entry.variant)
        and not (partial and entry.percent is None and not entry.groups)
    }
    if len(matching) == 1:
        return matching.pop()
    content = describe_entries(channel.entries)
    if matching:
        raise PublishError(
            f"several entries of channel {name} match ({content}); "
            "select one with --version or --variant, or push it again"
        )
    filters = " and ".join(filter(None, (version and f"version {version}", variant and f"variant {variant}")))
    if filters:
        raise PublishError(f"channel {name} has no entry with {filters} (contents: {content})")
    raise PublishError(f"channel {name} has no entry that could be given to more devices (contents: {content})")


def compare_channels(before: Channel, after: Channel) -> list[RolloutChange]:
    """Return the percentage of devices whose bundle changes; a device that is offered nothing keeps its bundle."""
    groups = sorted(set().union(*(entry.groups for channel in (before, after) for entry in channel.entries)))
    changes = [RolloutChange(group, _compute_changed_percent(before, after, group)) for group in (None, *groups)]
    # A group with the same percentage as everyone needs no separate line.
    return [change for change in changes if change.group is None or change.percent != changes[0].percent]


def describe_entries(entries: Sequence[ChannelEntry]) -> str:
    """Return a channel's entries as text for people."""
    if len(entries) == 1 and entries[0].percent is None and not entries[0].groups and not entries[0].requires:
        return f"{entries[0].version} for everyone" + (f" (variant {entries[0].variant})" if entries[0].variant else "")
    return "; ".join(map(_describe_entry, entries)) or "empty (devices keep what they have)"


def _add_slice(entries: list[ChannelEntry], entry: ChannelEntry) -> None:
    """Insert a slice into a channel's entries: in place of the same slice, else after the last slice of its groups."""
    same_groups = [index for index, each in enumerate(entries) if each.groups == entry.groups]
    slices = [index for index in same_groups if entries[index].percent is not None]
    match = next((index for index in slices if _is_same_slice(entries[index], entry)), None)
    if match is not None:
        entries[match] = entry
    elif slices:
        entries.insert(slices[-1] + 1, entry)
    elif same_groups:
        entries.insert(same_groups[0], entry)
    else:
        entries.insert(0 if entry.groups else len(entries), entry)


def _is_same_slice(old: ChannelEntry, new: ChannelEntry) -> bool:
    return old.variant == new.variant and (new.variant is not None or old.bundle == new.bundle)


def _describe_entry(entry: ChannelEntry) -> str:
    audience = f"group {', '.join(sorted(entry.groups))}" if entry.groups else "everyone"
    if entry.percent is not None:
        audience = f"{entry.percent:g} % of {audience}"
    elif not entry.groups:
        audience = "everyone else"
    notes = [f"variant {entry.variant}"] if entry.variant else []
    notes += [f"requires {describe_requirements(entry.requires)}"] if entry.requires else []
    return f"{entry.version} for {audience}" + (f" ({'; '.join(notes)})" if notes else "")


def _compute_changed_percent(before: Channel, after: Channel, group: str | None) -> float:
    bounds = {0, POSITIONS}
    for channel in (before, after):
        for _, lower, upper in compute_slices(channel):
            bounds |= {lower, upper}
    ordered = sorted(bounds)
    changed = 0
    for lower, upper in pairwise(ordered):
        bundle = _find_bundle_at(after, upper, group)
        if bundle is not None and bundle != _find_bundle_at(before, upper, group):
            changed += upper - lower
    return changed / 1e6


def _find_bundle_at(channel: Channel, position: int, group: str | None) -> str | None:
    """Return the bundle of the devices at a position, which is given in millionths of a percent."""
    for entry, lower, upper in compute_slices(channel):
        if entry.is_for(group) and lower < position <= upper:
            return entry.bundle
    return None
