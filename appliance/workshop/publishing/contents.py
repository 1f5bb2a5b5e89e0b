"""Read the contents of a site: its channels, their earlier contents, and the bundle of a version on a channel.

A site may contain several lines of models, each with its own version 1.0. Therefore, a version on a channel is looked
up only among bundles with the names that this channel contains or used to contain, never in the whole site.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from appliance.bundle.identity import ModelIdentity
from appliance.errors import ChannelError, PublishError, describe_os_error
from appliance.repository.channel import Channel, channel_path, encode_channel, parse_channel
from appliance.system.foreign_text import clean_text
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_values import SiteTarget


@dataclass(frozen=True, slots=True)
class PreviousChannel:
    """Earlier contents of a channel: the bytes of its file, and the parsed channel."""

    content: bytes
    channel: Channel


def list_channels(site: SignedSite) -> list[str]:
    """Return the names of a site's channels."""
    paths = (target.path for target in site.list_targets())
    return [path.removeprefix("channels/").removesuffix(".json") for path in paths if path.startswith("channels/")]


def read_channel(site: SignedSite, name: str) -> Channel | None:
    """Return a channel of a site; None if there is no channel with this name.

    Raises:
        PublishError: Its file is missing.
        ChannelError: Its file is invalid.
    """
    target = site.find_target(channel_path(name))
    if target is None:
        return None
    file = site.get_target_file(target.path, target.sha256)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PublishError(f"{file} cannot be read, so the site is incomplete: {describe_os_error(error)}") from error
    return parse_channel(content, str(file))


def read_previous(site: SignedSite, name: str, channel: Channel) -> PreviousChannel:
    """Return the contents of a channel before its last change.

    Raises:
        PublishError: There are no earlier contents, or the file is missing or was modified.
        ChannelError: The file is invalid.
    """
    if channel.before is None:
        raise PublishError(f"channel {name} has no earlier contents; select a version with --version")
    file = site.get_target_file(channel_path(name), channel.before)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PublishError(
            f"{file}, the previous contents of channel {name}, cannot be read: {describe_os_error(error)}"
        ) from error
    if hashlib.sha256(content).hexdigest() != channel.before:
        raise PublishError(f"{file} was modified after it was published; select a version with --version")
    return PreviousChannel(content, parse_channel(content, str(file)))


def find_earlier(site: SignedSite, name: str, channel: Channel) -> PreviousChannel:
    """Return the newest earlier contents of a channel that the site can still offer.

    Entries whose bundle was withdrawn are left out; contents of which nothing remains are skipped. Before the first
    contents, the channel was empty.

    Raises:
        PublishError, ChannelError: There are no earlier contents, or they cannot be read.
    """
    if channel.before is None and channel.entries:
        empty = Channel(channel.seed)
        return PreviousChannel(encode_channel(empty), empty)
    known = {target.path for target in site.list_targets()}
    earlier = read_previous(site, name, channel)
    while True:
        content = earlier.channel.entries
        entries = tuple(entry for entry in content if entry.bundle in known)
        # Contents of which a withdrawal left nothing, or what the channel has already, are no step back.
        if entries != channel.entries and (entries or not content):
            if entries == content:
                return earlier
            changed = replace(earlier.channel, entries=entries)
            return PreviousChannel(encode_channel(changed), changed)
        if earlier.channel.before is None:
            empty = Channel(channel.seed)
            return PreviousChannel(encode_channel(empty), empty)
        earlier = read_previous(site, name, earlier.channel)


def is_published(site: SignedSite, path: str, content: bytes, identity: ModelIdentity) -> bool:
    """Return whether a site contains a bundle already.

    Raises:
        PublishError: Its name and version stand, or stood, for other bytes.
    """
    target = site.find_target(path)
    known = target.sha256 if target else site.find_removed_hash(path)
    if known is not None and known != hashlib.sha256(content).hexdigest():
        raise PublishError(
            f"{identity.name} {identity.version} is already published with other contents, "
            "which devices may have; give this bundle a different version (--version)"
        )
    return target is not None


def find_published(site: SignedSite, text: str) -> SiteTarget:
    """Return the bundle that a text names: its path, its file, its name and version, or its version alone.

    Raises:
        PublishError: No bundle, or more than one, matches.
    """
    bundles = [target for target in site.list_targets() if target.path.startswith("bundles/")]
    wanted = text.strip().removesuffix("/")
    forms: list[Callable[[SiteTarget], tuple[str, ...]]] = [
        lambda target: (target.path, target.path.removeprefix("bundles/"), describe_bundle(target)),
        lambda target: (PurePosixPath(target.path).stem, target.sha256, str(target.custom.get("model_sha256"))),
        lambda target: (str(target.custom.get("version")), _get_name(target)),
    ]
    for form in forms:
        matching = [target for target in bundles if wanted in form(target)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise PublishError(f"{text} could be {' or '.join(map(describe_bundle, matching))}; give name and version")
    has = ", ".join(map(describe_bundle, bundles)) or "none"
    raise PublishError(f"the site has no bundle {clean_text(text, 100)!r}; its bundles are {has}")


def list_history(site: SignedSite, name: str, channel: Channel) -> Iterator[PreviousChannel]:
    """Yield the earlier contents of a channel, the newest first, as far back as its files exist."""
    while True:
        try:
            earlier = read_previous(site, name, channel)
        except (PublishError, ChannelError):
            return
        yield earlier
        channel = earlier.channel


def find_bundle(site: SignedSite, name: str, channel: Channel, version: str) -> SiteTarget:
    """Return the bundle with a version on a channel.

    Raises:
        PublishError: No bundle, or more than one, with a name that the channel contains or used to contain has this
            version.
    """
    bundles = {target.path: target for target in site.list_targets() if target.path.startswith("bundles/")}
    names = {_get_name(bundles[path]) for path in _iterate_bundles(site, name, channel) if path in bundles}
    candidates = [target for target in bundles.values() if _get_name(target) in names]
    matching = [target for target in candidates if target.custom.get("version") == version]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise PublishError(
            f"version {version} on channel {name} could be {' or '.join(map(describe_bundle, matching))}; "
            f"push the right one again, with --channel {name}"
        )
    versions = ", ".join(sorted({str(target.custom.get("version")) for target in candidates})) or "none"
    raise PublishError(
        f"the site has no version {version} of {', '.join(sorted(names)) or 'any model'}, which channel {name} "
        f"contains or used to contain; it has {versions}"
    )


def describe_bundle(target: SiteTarget) -> str:
    """Return a bundle's name and version for people."""
    return clean_text(f"{_get_name(target)} {target.custom.get('version')}", 400)


def _get_name(target: SiteTarget) -> str:
    return str(target.custom.get("name", target.path))


def _iterate_bundles(site: SignedSite, name: str, channel: Channel) -> Iterator[str]:
    """Yield the paths of a channel's current and earlier bundles, as far back as its files exist."""
    for each in (channel, *(earlier.channel for earlier in list_history(site, name, channel))):
        yield from (entry.bundle for entry in each.entries)
