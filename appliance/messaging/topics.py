"""The topic tree: the names that brokers, scripts and dashboards hold on to.

Everything that this device says or hears goes to a name made here, so that no other module spells a topic. What is said
there is payloads.py's part.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"

SLUG_CHARACTERS = 48
"""The length of a slug at the most."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Attributes:
        base: The first part of every topic (mqtt.base_topic).
        device: The device id.
        discovery_prefix: Where Home Assistant listens (mqtt.discovery_prefix).
    """

    base: str
    device: str
    discovery_prefix: str = "homeassistant"

    @property
    def root(self) -> str:
        """What the contract calls T: every topic of the device lies below it."""
        return f"{self.base}/{self.device}"

    @property
    def availability(self) -> str:
        """`online` or `offline`; also the will."""
        return f"{self.root}/availability"

    @property
    def labels(self) -> str:
        """The labels of a frame, a few times a second at the most."""
        return f"{self.root}/labels"

    @property
    def state(self) -> str:
        """What is seen now; sent when it changes."""
        return f"{self.root}/state"

    @property
    def event(self) -> str:
        """Labels that started and ended; durable."""
        return f"{self.root}/event"

    @property
    def snapshot(self) -> str:
        """A JPEG."""
        return f"{self.root}/snapshot"

    @property
    def stats(self) -> str:
        """How the device is doing, every minute."""
        return f"{self.root}/stats"

    @property
    def model(self) -> str:
        """Which model runs and which is the latest, in Home Assistant's form."""
        return f"{self.root}/model"

    @property
    def update(self) -> str:
        """The steps of a model update; durable."""
        return f"{self.root}/update"

    @property
    def threshold(self) -> str:
        """The threshold in force."""
        return f"{self.root}/threshold"

    @property
    def running(self) -> str:
        """`ON` while the device labels, `OFF` while it was told not to."""
        return f"{self.root}/running"

    def label(self, slug: str) -> str:
        """`ON` while the label with this slug is seen, else `OFF`."""
        return f"{self.root}/label/{slug}"

    @property
    def threshold_set(self) -> str:
        """Command: 0–1 or `default`."""
        return f"{self.threshold}/set"

    @property
    def running_set(self) -> str:
        """Command: `ON` or `OFF`."""
        return f"{self.running}/set"

    @property
    def model_check(self) -> str:
        """Command: ask the update source now."""
        return f"{self.model}/check"

    @property
    def model_install(self) -> str:
        """Command: `latest` or a version."""
        return f"{self.model}/install"

    @property
    def model_rollback(self) -> str:
        """Command: back to the previous model."""
        return f"{self.model}/rollback"

    @property
    def snapshot_get(self) -> str:
        """Command: send a snapshot of the next frame."""
        return f"{self.snapshot}/get"

    @property
    def restart(self) -> str:
        """Command: end the program in good order, so that the service manager starts it again."""
        return f"{self.root}/restart"

    @property
    def commands(self) -> dict[str, str]:
        """Every command: its name → its topic; these are subscribed to."""
        return {
            "threshold": self.threshold_set,
            "running": self.running_set,
            "check": self.model_check,
            "install": self.model_install,
            "rollback": self.model_rollback,
            "snapshot": self.snapshot_get,
            "restart": self.restart,
        }

    @property
    def responses(self) -> str:
        """Answers go only to topics that begin with this."""
        return f"{self.root}/response/"

    @property
    def discovery(self) -> str:
        """Where the device is announced to Home Assistant."""
        return f"{self.discovery_prefix}/device/{self.device}/config"

    @property
    def homeassistant_status(self) -> str:
        """Where Home Assistant says `online` once it has started."""
        return f"{self.discovery_prefix}/status"


def slugs(labels: Iterable[str]) -> tuple[str, ...]:
    """Names for topics: lower-case NFKD, [a-z0-9_], at most 48 characters, no two alike.

    Where a slug is taken by an earlier label (also after it was cut), `_` and the label's index follow it; a label
    of which nothing is left, such as one in Chinese characters, is `_` and its index alone.

    Args:
        labels: A model's labels in the order of its output, all of them: the index is the place in this list.

    Returns:
        One slug a label, in the same order.
    """
    taken: dict[str, None] = {}
    for index, label in enumerate(labels):
        plain = unicodedata.normalize("NFKD", label).lower()
        plain = "".join(character for character in plain if not unicodedata.combining(character))
        slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:SLUG_CHARACTERS].rstrip("_")
        suffix = f"_{index}"
        while not slug or slug in taken:
            slug = slug[: SLUG_CHARACTERS - len(suffix)] + suffix
            suffix += f"_{index}"
        taken[slug] = None
    return tuple(taken)
