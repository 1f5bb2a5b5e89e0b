"""Take a bundle out of the channels of a site."""

from dataclasses import replace

from appliance.repository.channel import Channel, ChannelEntry
from appliance.workshop.publishing.contents import list_history
from appliance.workshop.publishing.signed_site import SignedSite


def replace_bundle(site: SignedSite, name: str, channel: Channel, bundle: str) -> Channel:
    """Return the contents of a channel without a bundle.

    Devices that had the bundle get the next entry that is for them. If it was the one for everyone, the newest earlier
    entry for everyone takes its place; without one, devices keep what they have.

    Args:
        site: The site, whose earlier contents are read.
        name: The channel's name.
        channel: Its contents.
        bundle: The path of the bundle.
    """
    entries = tuple(entry for entry in channel.entries if entry.bundle != bundle)
    if any(map(is_for_everyone, entries)) or not any(map(is_for_everyone, channel.entries)):
        return replace(channel, entries=entries)
    known = {target.path for target in site.list_targets()} - {bundle}
    for earlier in list_history(site, name, channel):
        for entry in earlier.channel.entries:
            if is_for_everyone(entry) and entry.bundle in known:
                return replace(channel, entries=(*entries, entry))
    return replace(channel, entries=entries)


def is_for_everyone(entry: ChannelEntry) -> bool:
    """Return whether an entry is for all devices that no earlier entry is for."""
    return entry.percent is None and not entry.groups and entry.requires is None
