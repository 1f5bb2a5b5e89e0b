"""Remember which retained messages this device has published, so that it can clear them after a restart.

A retained message stays on the broker until it is cleared. When the device restarts with a different model, or with
discovery turned off, the topics of former labels and the announcement must be cleared; only this file lists them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import describe_os_error
from appliance.messaging.identity import decode_topics
from appliance.messaging.topics import Topics
from appliance.system.state_file import StateFile

FILE_NAME = "announced.json"

log = logging.getLogger("appliance.mqtt")


@dataclass(frozen=True, slots=True)
class PublishedTopics:
    """Topics and components that are on the broker.

    Attributes:
        topics: Retained topics that a later start may have to clear: one for each watched label, and the announcement.
        components: The components announced to Home Assistant: key → platform.
    """

    topics: frozenset[str] = frozenset()
    components: Mapping[str, str] = field(default_factory=dict)

    def keep_own(self, names: Topics) -> "PublishedTopics":
        """Return what was published under these names; what was published under former ones is not cleared here."""
        own = frozenset(topic for topic in self.topics if topic.startswith(f"{names.root}/"))
        if names.discovery not in self.topics:
            return PublishedTopics(own)
        return PublishedTopics(own | {names.discovery}, self.components)


class PublishedTopicsFile:
    """The file announced.json in the state folder."""

    def __init__(self, path: Path):
        """Set the path of the file; nothing is read yet."""
        self._has_failed = False
        self._file = StateFile(
            path,
            _decode,
            _encode,
            PublishedTopics(),
            mode=0o640,
            if_unreadable="topics of an earlier model's labels may stay on the broker",
            log=log,
        )

    def read(self) -> PublishedTopics:
        """Return what was published earlier; empty if the file is missing or cannot be read."""
        return self._file.read()

    def write(self, published: PublishedTopics) -> None:
        """Replace the file; only log a failure, once, because its worst effect is a stale topic later."""
        try:
            self._file.write(published)
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                log.warning(
                    "%s cannot be written (%s); topics of this model's labels may stay on the broker",
                    self._file.path,
                    describe_os_error(error),
                )
            self._has_failed = True


def _encode(published: PublishedTopics) -> dict[str, Any]:
    return {"topics": sorted(published.topics), "components": dict(published.components)}


def _decode(data: Any) -> PublishedTopics:
    components = data["components"]
    if not all(isinstance(platform, str) for platform in components.values()):
        raise TypeError("a platform is not a text")
    return PublishedTopics(decode_topics(data["topics"]), components)
