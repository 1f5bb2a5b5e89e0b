"""The device's former topics: when the device id, the base topic or the discovery prefix changes.

What was published under the former topics stays on the broker until it is cleared (former_topics.py), and events that
still wait in the outbox carry them. The file identity.json in the state folder records under which topics the device
publishes, and which former ones may still be on the broker.
"""

import json
import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.messaging.outbox.stored_rows import Address, UnreadableRowError
from appliance.messaging.topics import Topics
from appliance.system.state_file import StateFile

log = logging.getLogger("appliance.mqtt")

FILE_NAME = "identity.json"

_MAX_FORMER = 8
_MAX_TOPICS = 10_000
_MAX_LENGTH = 1000
_DISCOVERY = re.compile(r"(?P<prefix>.+)/device/(?P<device>[^/]+)/config")


@dataclass(frozen=True, slots=True)
class FormerIdentity:
    """Topics under which this device published earlier.

    Attributes:
        names: The former names of the topics.
        topics: Retained topics that were on the broker, besides the ones that every device has.
        refused: Why this device's account cannot clear them; None if it has not tried, or not finished.
    """

    names: Topics
    topics: frozenset[str] = frozenset()
    refused: str | None = None

    @property
    def retained(self) -> list[str]:
        """Every topic to clear; the availability comes first, because it shows a device that is gone."""
        names = self.names
        fixed = [
            names.availability, names.discovery, names.camera, names.state, names.snapshot, names.stats, names.model,
            names.threshold, names.running, names.snapshots, names.collect,
        ]  # fmt: skip
        return [*fixed, *sorted(self.topics - set(fixed))]


@dataclass(frozen=True, slots=True)
class _Record:
    current: Topics | None = None
    former: tuple[FormerIdentity, ...] = ()


class IdentityFile:
    """The file identity.json."""

    def __init__(self, folder: Path):
        """Describe the file in the state folder; nothing is read yet."""
        self._file = StateFile(
            folder / FILE_NAME,
            _decode,
            _encode,
            _Record(),
            mode=0o640,
            if_unreadable="topics of a former device id may stay on the broker",
            log=log,
        )

    def read_former(self) -> tuple[FormerIdentity, ...]:
        """Return the former topics that may still be on the broker."""
        return self._file.read().former

    def update(self, names: Topics, announced: Iterable[str]) -> tuple[FormerIdentity, ...]:
        """Record the names in use, and log a change.

        Args:
            names: The names of the topics from now on.
            announced: The retained topics that the last process recorded, possibly under former names.

        Returns:
            The former topics that may still be on the broker, the newest first.
        """
        record = self._file.read()
        former = [each for each in record.former if each.names != names]
        before = record.current or _infer_names(announced)
        if before and before != names:
            topics = frozenset(topic for topic in announced if _belongs_to(topic, before))
            former = [FormerIdentity(before, topics), *(each for each in former if each.names != before)]
            log.warning(
                "the device publishes under %s from now on, formerly under %s; the former topics are cleared if the"
                " broker allows it, and waiting events are delivered under the new ones",
                _describe(names),
                _describe(before),
            )
        updated = _Record(names, tuple(former[:_MAX_FORMER]))
        if updated != record:
            self._file.write_or_warn(updated, "a change of the device id may go unnoticed at the next start")
        return updated.former

    def record_former(self, former: tuple[FormerIdentity, ...]) -> None:
        """Record which former topics are left."""
        record = self._file.read()
        if record.former != former:
            self._file.write_or_warn(replace(record, former=former), "they will be cleared again at the next start")


def make_address(names: Topics) -> Address:
    """Return the function that puts events of former names under these names."""

    def address(topic: str, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        root, _, kind = topic.rpartition("/")
        own = {"event": names.event, "update": names.update}.get(kind)
        if own is None or "/" not in root:
            raise UnreadableRowError("its topic is not one for events")
        former = payload.get("device", root.rpartition("/")[2])
        if former == names.device or not isinstance(former, str):
            return own, payload
        device = {"device": names.device} if "device" in payload else {}
        return own, {**payload, **device, "former_device": former}

    return address


def _infer_names(announced: Iterable[str]) -> Topics | None:
    """Return the names under which an earlier release, which had no such file, announced the device."""
    topics = sorted(announced)
    found = next(filter(None, map(_DISCOVERY.fullmatch, topics)), None)
    root = next((topic.rpartition("/label/")[0] for topic in topics if "/label/" in topic), "")
    base, _, device = root.rpartition("/")
    if not base or (found and found["device"] != device):
        return None
    return Topics(base, device, found["prefix"]) if found else Topics(base, device)


def _belongs_to(topic: str, names: Topics) -> bool:
    return topic.startswith(f"{names.root}/") or topic == names.discovery


def _describe(names: Topics) -> str:
    return f"{names.root} (discovery {names.discovery})"


def _encode(record: _Record) -> dict[str, Any]:
    former = [
        {**_encode_names(each.names), "topics": sorted(each.topics), "refused": each.refused} for each in record.former
    ]
    values = {"current": record.current and _encode_names(record.current), "former": former}
    return {**values, "checksum": _compute_checksum(values)}


def _compute_checksum(values: Mapping[str, Any]) -> int:
    """Return a checksum, because a changed letter in a name would clear the topics of another device."""
    return zlib.crc32(json.dumps([values["current"], values["former"]], sort_keys=True).encode())


def _encode_names(names: Topics) -> dict[str, str]:
    return {"base": names.base, "device": names.device, "discovery_prefix": names.discovery_prefix}


def _decode(data: Any) -> _Record:
    if data["checksum"] != _compute_checksum(data):
        raise ValueError("its checksum does not match")
    current = data["current"]
    former = tuple(
        FormerIdentity(_decode_names(each), decode_topics(each["topics"]), _check_text(each["refused"], optional=True))
        for each in data["former"][:_MAX_FORMER]
    )
    return _Record(current and _decode_names(current), former)


def _decode_names(data: Any) -> Topics:
    names = Topics(data["base"], data["device"], data["discovery_prefix"])
    decode_topics([names.base, names.device, names.discovery_prefix])
    return names


def decode_topics(values: Any) -> frozenset[str]:
    """Return the topics in a state file.

    Raises:
        ValueError, TypeError: The value is not a list of topics to which a message can be sent.
    """
    if not isinstance(values, list) or len(values) > _MAX_TOPICS:
        raise TypeError("the topics are not a list")
    for topic in values:
        text = _check_text(topic)
        if not text or not {"+", "#", "\0"}.isdisjoint(text):
            raise ValueError("a topic is invalid")
    return frozenset(values)


def _check_text(value: Any, *, optional: bool = False) -> Any:
    if not (isinstance(value, str) and len(value) <= _MAX_LENGTH) and not (optional and value is None):
        raise TypeError("a text is missing, too long or of the wrong type")
    return value
