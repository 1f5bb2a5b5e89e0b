"""What a site holds: its channels, what they held before, and the bundle that is meant by a version on one of them.

A site may keep several lines of models, each with a 1.0 of its own. What a version means on a channel is therefore looked
for among the bundles of the names that this channel holds or once held, never in the whole site.
"""

import hashlib
from collections.abc import Iterator

from appliance.errors import ChannelError, PublishError
from appliance.repository.channel import Channel, channel_path, parse_channel
from appliance.workshop.publishing.signed_site import SignedSite, SiteTarget


def channel_names(site: SignedSite) -> list[str]:
    """The channels of a site."""
    paths = (held.path for held in site.targets())
    return [path.removeprefix("channels/").removesuffix(".json") for path in paths if path.startswith("channels/")]


def read_channel(site: SignedSite, name: str) -> Channel | None:
    """A channel of a site, None where there is none of this name.

    Raises:
        PublishError: Its file is gone.
        ChannelError: It is no good one.
    """
    held = site.target(channel_path(name))
    if held is None:
        return None
    file = site.target_file(held.path, held.sha256)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PublishError(f"{file} cannot be read, so the site is not whole: {error.strerror}") from error
    return parse_channel(content, str(file))


def read_before(site: SignedSite, name: str, channel: Channel) -> tuple[bytes, Channel]:
    """What a channel held before it was put to what it holds: the file, and what it says.

    Raises:
        PublishError: It held nothing before, or the file is gone or was changed.
        ChannelError: It is no good one.
    """
    if channel.before is None:
        raise PublishError(f"channel {name} held nothing before: name a version with --version")
    file = site.target_file(channel_path(name), channel.before)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PublishError(f"{file}, which channel {name} held before, cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != channel.before:
        raise PublishError(f"{file} was changed since it was published; name a version with --version")
    return content, parse_channel(content, str(file))


def bundle_of_version(site: SignedSite, name: str, channel: Channel, version: str) -> SiteTarget:
    """The bundle that is meant by a version on a channel.

    Raises:
        PublishError: None has it of the names that the channel holds or held, or several have; names what there is.
    """
    bundles = {held.path: held for held in site.targets() if held.path.startswith("bundles/")}
    known = {_name(bundles[path]) for path in _ever_held(site, name, channel) if path in bundles}
    own = [held for held in bundles.values() if _name(held) in known]
    found = [held for held in own if held.custom.get("version") == version]
    if len(found) == 1:
        return found[0]
    if found:
        raise PublishError(
            f"version {version} on channel {name} could be {' or '.join(map(shown, found))}: "
            f"push the one that is meant again, with --channel {name}"
        )
    versions = ", ".join(sorted({str(held.custom.get("version")) for held in own})) or "none"
    raise PublishError(
        f"of {', '.join(sorted(known)) or 'nothing'}, which channel {name} holds or held, "
        f"the site has no version {version}; it has {versions}"
    )


def shown(held: SiteTarget) -> str:
    """A bundle's name and version, for people."""
    return f"{_name(held)} {held.custom.get('version')}"


def _name(held: SiteTarget) -> str:
    return str(held.custom.get("name", held.path))


def _ever_held(site: SignedSite, name: str, channel: Channel) -> Iterator[str]:
    """The paths of the bundles on a channel, now and before, as far back as its files are there."""
    while True:
        yield from (entry.bundle for entry in channel.entries)
        try:
            channel = read_before(site, name, channel)[1]
        except (PublishError, ChannelError):
            return
