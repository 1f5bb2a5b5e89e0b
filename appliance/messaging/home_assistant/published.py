"""What this device has left on the broker, remembered across restarts, so that it can take it away again.

A retained message stays for ever unless it is cleared. When a restart comes with another model, or with discovery
switched off, the topics of labels that are no more and the announcement must go, and only this file still knows them.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedTopics:
    """Topics and components that stand on the broker.

    Attributes:
        topics: Retained topics that a later start may have to clear: one for each watched label, and the announcement.
        components: What was announced to Home Assistant: the component's key → its platform.
    """

    topics: frozenset[str] = frozenset()
    components: Mapping[str, str] = field(default_factory=dict)


def read_announced(path: Path) -> PublishedTopics:
    """What was announced before; nothing where the file is missing or cannot be read."""
    try:
        content = json.loads(path.read_bytes())
        return PublishedTopics(
            frozenset(map(str, content["topics"])), {str(k): str(v) for k, v in content["components"].items()}
        )
    except FileNotFoundError:
        return PublishedTopics()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read (%s): labels of an earlier model may stay on the broker", path, error)
        return PublishedTopics()


def write_announced(path: Path, announced: PublishedTopics) -> None:
    """Replaces the file as a whole; a failure is logged and costs no more than a stale topic some day."""
    content = {"topics": sorted(announced.topics), "components": dict(announced.components)}
    beside = path.with_suffix(".new")
    try:
        beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        log.warning("%s cannot be written (%s): labels of this model may stay on the broker", path, error.strerror)
