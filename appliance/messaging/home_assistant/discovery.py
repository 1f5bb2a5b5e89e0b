"""The device's announcement to Home Assistant: one retained message that describes all of its entities.

Requirements of Home Assistant's MQTT integration, found by testing: `origin` and every `unique_id` are mandatory; `qos`
takes effect only inside a component; the state of an enum becomes unknown if it is not one of the options, so the
message is sent again when the labels change; a component is removed only by an entry that contains nothing but its
platform; if two messages follow each other quickly, new components in the second are ignored, so messages are spaced.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance import __version__
from appliance.messaging.home_assistant.abbreviations import abbreviate
from appliance.messaging.home_assistant.entities import build_device_entities
from appliance.messaging.home_assistant.label_entities import OPTIONAL_GROUPS, Components, build_presence_sensor
from appliance.messaging.payloads import encode
from appliance.messaging.topics import Topics
from appliance.system.board import Board

MAX_WATCHED_LABELS = 32
"""A model with more labels than this gets no entity per label, unless the settings list the labels to report."""

MIN_REMOVED = 64
"""So many components that were removed last stay in the message, as those of the model before have to."""

MAX_BYTES = 32_000
"""The maximum size of the message; some brokers and bridges refuse larger ones."""


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """What the device page of Home Assistant shows.

    Attributes:
        name: The device's display name.
        board: The board.
        page_url: The address of the device's own page; None if it has none.
        support_url: Where the project answers questions; None if it has no such address.
    """

    name: str
    board: Board = field(default_factory=Board)
    page_url: str | None = None
    support_url: str | None = None


@dataclass(frozen=True, slots=True)
class WatchedLabels:
    """The labels that have their own topics.

    Attributes:
        slugs: Label → slug; empty for a model with many labels.
        detailed: Whether each label also has triggers, counts and pictures, because the model has few labels.
    """

    slugs: Mapping[str, str] = field(default_factory=dict)
    detailed: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """The announcement.

    Attributes:
        payload: The message for `topics.discovery`.
        components: Every component in it, including the removed ones: key → platform.
        omitted: How many of the labels have no entity, because the message would be too large.
    """

    payload: bytes
    components: Mapping[str, str]
    omitted: int = 0


def build_discovery(
    topics: Topics, device: DeviceDescription, watched: WatchedLabels, removed: Mapping[str, str]
) -> Discovery:
    """Build the message for `topics.discovery`, with at most MAX_BYTES.

    A message that would be larger is abbreviated, then loses the optional entities of all labels group by group, then
    the components that were removed long ago, and in the end the entities of the last labels.

    Args:
        topics: The device's topics.
        device: What the device page shows.
        watched: The labels that have their own topics.
        removed: Components that were announced earlier and no longer exist: key → platform.
    """
    slugs = list(watched.slugs.items())
    groups = OPTIONAL_GROUPS if watched.detailed else ()
    for short in (False, True):
        builder = _Builder(topics, device, removed, short)
        if discovery := builder.build(slugs, len(groups)):
            return discovery
    for count in range(len(groups) - 1, -1, -1):
        if discovery := builder.build(slugs, count):
            return discovery
    kept = len(slugs)
    while not (discovery := builder.build(slugs[:kept], 0)):
        if not builder.forget_removed():
            kept = kept * 3 // 4
    return Discovery(discovery.payload, discovery.components, len(slugs) - kept)


class _Builder:
    """Builds the message with more or fewer components."""

    def __init__(self, topics: Topics, device: DeviceDescription, removed: Mapping[str, str], short: bool):
        self._topics, self._device, self._removed, self._short = topics, device, removed, short
        self._kept: Collection[str] = ()  # the components of the last message

    def forget_removed(self) -> bool:
        """Omit half of the removed components, those of earlier messages first; return False if few are left."""
        keys = [key for key in self._removed if key not in self._kept]
        if len(keys) < MIN_REMOVED:
            return False
        self._removed = {key: self._removed[key] for key in keys[: len(keys) // 2]}
        return True

    def build(self, slugs: list[tuple[str, str]], group_count: int) -> Discovery | None:
        """Return the message with the first groups of optional entities; None if it is too large."""
        entities = {
            key: entity if entity.get("state_topic") == self._topics.stats else entity | {"qos": 1}
            for key, entity in build_device_entities(self._topics, [label for label, _ in slugs]).items()
        }
        for label, slug in slugs:
            entities |= build_presence_sensor(self._topics, label, slug)
        for group in OPTIONAL_GROUPS[:group_count]:
            for label, slug in slugs:
                entities |= group(self._topics, label, slug)
        components = {key: self._complete(key, entity) for key, entity in entities.items()}
        self._kept = components.keys()
        removed = {key: {"platform": each} for key, each in self._removed.items() if key not in components}
        payload = encode(self._wrap(components | removed))
        if slugs and len(payload) > MAX_BYTES:
            return None
        return Discovery(payload, {key: each["platform"] for key, each in (components | removed).items()})

    def _complete(self, key: str, entity: Mapping[str, Any]) -> dict[str, Any]:
        """Add a unique id, which a trigger does not need."""
        if entity["platform"] == "device_automation":
            return dict(entity)
        prefix = "" if entity.get("enabled_by_default") is False else "appliance_"  # the optional ones are many
        return {**entity, "unique_id": f"{prefix}{self._topics.device}_{key}"}

    def _wrap(self, components: Components) -> dict[str, Any]:
        board = self._device.board
        device = {
            "identifiers": [f"appliance_{self._topics.device}"],
            "name": self._device.name,
            "manufacturer": board.manufacturer,
            "model": board.model or "Camera appliance",
            "serial_number": board.serial,
            "sw_version": __version__,
            "configuration_url": self._device.page_url,
        }
        origin = {"name": "camera-appliance", "sw_version": __version__, "support_url": self._device.support_url}
        return {
            "device": {key: value for key, value in device.items() if value},
            "origin": {key: value for key, value in origin.items() if value},
            # The entities that show something without frames replace this by the first topic alone.
            "availability": [{"topic": self._topics.availability}, {"topic": self._topics.camera}],
            "availability_mode": "all",
            "components": {key: abbreviate(each) if self._short else each for key, each in components.items()},
        }
