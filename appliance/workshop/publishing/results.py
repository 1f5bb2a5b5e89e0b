"""The results of the operations on a site."""

from dataclasses import dataclass

from appliance.bundle.identity import ModelIdentity
from appliance.repository.channel import ChannelEntry
from appliance.workshop.publishing.channels import RolloutChange


@dataclass(frozen=True, slots=True)
class ChannelResult:
    """The new state of a channel.

    Attributes:
        channel: Its name.
        entries: Its entries.
        changes: The percentages of devices whose bundle changes.
    """

    channel: str
    entries: tuple[ChannelEntry, ...]
    changes: tuple[RolloutChange, ...]


@dataclass(frozen=True, slots=True)
class PushResult(ChannelResult):
    """The result of a push.

    Attributes:
        identity: The model.
        size_bytes: The size of its zip.
        was_published: Whether the site already had this bundle.
        invoke_ms: The inference time on this machine.
    """

    identity: ModelIdentity
    size_bytes: int
    was_published: bool
    invoke_ms: float


@dataclass(frozen=True, slots=True)
class RollbackResult(ChannelResult):
    """The result of a rollback; `bundles` contains the name and version of each bundle now on the channel."""

    bundles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithdrawResult:
    """The result of a withdrawal: the name and version of the bundle, and the channels that changed."""

    bundle: str
    channels: tuple[ChannelResult, ...]


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The result of pruning.

    Attributes:
        removed: The bundles that are no longer signed.
        deleted: The files that were deleted, relative to the site.
        waiting: The files that may be deleted later, because a device may still be fetching them.
        freed_bytes: The size of the deleted files.
    """

    removed: tuple[str, ...]
    deleted: tuple[str, ...]
    waiting: tuple[str, ...]
    freed_bytes: int
