"""What this device has left on the broker, stored across restarts so that it can be removed.

A retained message stays forever unless it is cleared. When the device restarts with another model, or with discovery
switched off, the topics of former labels and the announcement must be cleared, and only this file still lists them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import describe_os_error
from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.mqtt")


@dataclass(frozen=True, slots=True)
class PublishedTopics:
    """Topics and components that are on the broker.

    Attributes:
        topics: Retained topics that a later start may have to clear: one for each watched label, and the announcement.
        components: What was announced to Home Assistant: the component's key → its platform.
    """

    topics: frozenset[str] = frozenset()
    components: Mapping[str, str] = field(default_factory=dict)


class PublishedTopicsFile:
    """The file announced.json in the state folder."""

    def __init__(self, path: Path):
        """Describe the file; nothing is read yet."""
        self._file = StateFile(
            path,
            _decode,
            _encode,
            PublishedTopics(),
            mode=0o640,
            durable=False,
            if_unreadable="labels of an earlier model may stay on the broker",
            log=log,
        )

    def read(self) -> PublishedTopics:
        """Return what was published before; nothing if the file is missing or cannot be read."""
        return self._file.read()

    def write(self, published: PublishedTopics) -> None:
        """Replace the file; only log a failure, because it costs no more than a stale topic one day."""
        try:
            self._file.write(published)
        except OSError as error:
            log.warning(
                "%s cannot be written (%s); labels of this model may stay on the broker",
                self._file.path,
                describe_os_error(error),
            )


def _encode(published: PublishedTopics) -> dict[str, Any]:
    return {"topics": sorted(published.topics), "components": dict(published.components)}


def _decode(data: Any) -> PublishedTopics:
    components = {str(key): str(platform) for key, platform in data["components"].items()}
    return PublishedTopics(frozenset(map(str, data["topics"])), components)
