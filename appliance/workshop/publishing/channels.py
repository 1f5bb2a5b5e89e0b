"""Changes to a channel, and what they mean for its devices: pure.

A push for everyone replaces all that a channel held, so that "everyone" is true. A push for a group or for a slice goes
before what the others have, and a slice of the same variant (or, without variants, of the same bundle) is changed in its
place: raising it moves nobody else, as long as it is the last of its groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from appliance.errors import PublishError
from appliance.repository.channel import LINE, Channel, ChannelEntry, slices


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """How much of a group of devices gets another bundle. `group` None: the devices of no group that the channel names."""

    group: str | None
    percent: float


def pushed(channel: Channel, entry: ChannelEntry) -> Channel:
    """A channel with an entry put in.

    Raises:
        ChannelError: The slices for its groups are wider than 100 percent together.
    """
    entries = list(channel.entries)
    same = [number for number, each in enumerate(entries) if each.groups == entry.groups]
    if entry.percent is None and not entry.groups:
        entries = [entry]
    elif entry.percent is None:
        entries = [entry, *(each for each in entries if each.groups != entry.groups)]
    else:
        sliced = [number for number in same if entries[number].percent is not None]
        match = next((number for number in sliced if _same_slice(entries[number], entry)), None)
        if match is not None:
            entries[match] = entry
        elif sliced:
            entries.insert(sliced[-1] + 1, entry)
        elif same:
            entries.insert(same[0], entry)
        else:
            entries.insert(0 if entry.groups else len(entries), entry)
    changed = replace(channel, entries=tuple(entries))
    list(slices(changed))
    return changed


def promoted(entry: ChannelEntry, percent: float | None) -> ChannelEntry:
    """An entry for more devices: as a wider slice, or for everyone."""
    if percent is None:
        return replace(entry, variant=None, groups=frozenset(), percent=None)
    if entry.percent is None:
        return replace(entry, groups=frozenset(), percent=percent)
    return replace(entry, percent=percent)


def pick(
    channel: Channel, name: str, version: str | None, variant: str | None, partial: bool, percent: float | None = None
) -> ChannelEntry:
    """The one entry of a channel that is meant, promoted: several that come to the same are one, as a group's and a slice.

    Args:
        channel: To choose from.
        name: What to call it.
        version, variant: What narrows the choice; None: nothing.
        partial: Only entries that not everyone gets.
        percent: For this slice; None: everyone.

    Raises:
        PublishError: None or several are; names them.
    """
    found = [
        promoted(entry, percent)
        for entry in channel.entries
        if version in (None, entry.version)
        and variant in (None, entry.variant)
        and not (partial and entry.percent is None and not entry.groups)
    ]
    if len(set(found)) == 1:
        return found[0]
    held = described(channel.entries)
    which = " and ".join(filter(None, (version and f"version {version}", variant and f"variant {variant}")))
    if found:
        raise PublishError(
            f"several entries of channel {name} could be meant ({held}): name one with --version or --variant, or push it again"
        )
    if which:
        raise PublishError(f"channel {name} has no entry with {which}; it holds {held}")
    raise PublishError(f"channel {name} has no entry that could be given to more devices; it holds {held}")


def changes(before: Channel, after: Channel) -> list[RolloutChange]:
    """How many percent of which devices take another bundle than before; whoever is offered nothing keeps what it has."""
    groups = sorted(set().union(*(entry.groups for channel in (before, after) for entry in channel.entries)))
    found = [RolloutChange(group, _changed(before, after, group)) for group in (None, *groups)]
    # A group that fares like everybody else needs no line of its own.
    return [change for change in found if change.group is None or change.percent != found[0].percent]


def described(entries: Sequence[ChannelEntry]) -> str:
    """A channel's entries for people."""
    if len(entries) == 1 and entries[0].percent is None and not entries[0].groups:
        return f"{entries[0].version} for everyone" + (f" (variant {entries[0].variant})" if entries[0].variant else "")
    return "; ".join(map(_described, entries)) or "empty"


def _described(entry: ChannelEntry) -> str:
    whom = f"group {', '.join(sorted(entry.groups))}" if entry.groups else "everyone"
    if entry.percent is not None:
        whom = f"{entry.percent:g} % of {whom}"
    elif not entry.groups:
        whom = "everyone else"
    return f"{entry.version} for {whom}" + (f" (variant {entry.variant})" if entry.variant else "")


def _same_slice(old: ChannelEntry, new: ChannelEntry) -> bool:
    return old.variant == new.variant and (new.variant is not None or old.bundle == new.bundle)


def _changed(before: Channel, after: Channel, group: str | None) -> float:
    marks = {0, LINE}
    for channel in (before, after):
        for _, lower, upper in slices(channel):
            marks |= {lower, upper}
    ordered = sorted(marks)
    moved = 0
    for lower, upper in zip(ordered, ordered[1:], strict=False):
        now = _taken(after, upper, group)
        if now is not None and now != _taken(before, upper, group):
            moved += upper - lower
    return moved / 1e6


def _taken(channel: Channel, where: int, group: str | None) -> str | None:
    for entry, lower, upper in slices(channel):
        if entry.is_for(group) and lower < where <= upper:
            return entry.bundle
    return None
