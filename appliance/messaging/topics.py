"""The topic tree: the names that brokers, scripts and dashboards depend on.

Every topic that this device publishes or subscribes to is defined here and only here. The payloads are in payloads.py
and device_payloads.py.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

MAX_SLUG_CHARACTERS = 48
"""The maximum length of a slug."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one device.

    Attributes:
        base: The first level of every topic (mqtt.base_topic).
        device: The device id.
        discovery_prefix: The first level of Home Assistant's topics (mqtt.discovery_prefix).
    """

    base: str
    device: str
    discovery_prefix: str = "homeassistant"

    @property
    def root(self) -> str:
        """The prefix of every topic of the device, called T in the manual."""
        return f"{self.base}/{self.device}"

    @property
    def availability(self) -> str:
        """Availability: `online` or `offline`; also the topic of the will."""
        return f"{self.root}/availability"

    @property
    def camera(self) -> str:
        """Availability of the camera: `online` while it delivers frames, else `offline`."""
        return f"{self.root}/camera"

    @property
    def labels(self) -> str:
        """LabelsPayload: the labels of a frame, at most a few times a second."""
        return f"{self.root}/labels"

    @property
    def state(self) -> str:
        """StatePayload: the labels of the current picture; published when they change."""
        return f"{self.root}/state"

    @property
    def event(self) -> str:
        """EventPayload: labels that started and ended; durable."""
        return f"{self.root}/event"

    @property
    def snapshot(self) -> str:
        """A JPEG file."""
        return f"{self.root}/snapshot"

    @property
    def stats(self) -> str:
        """StatsPayload: the statistics of the device, every minute."""
        return f"{self.root}/stats"

    @property
    def model(self) -> str:
        """ModelPayload: the installed and the latest model, in Home Assistant's format."""
        return f"{self.root}/model"

    @property
    def update(self) -> str:
        """UpdatePayload: the steps of a model update; durable."""
        return f"{self.root}/update"

    @property
    def threshold(self) -> str:
        """The threshold in use, a number."""
        return f"{self.root}/threshold"

    @property
    def running(self) -> str:
        """SwitchState: `ON` while the device labels, `OFF` while labeling is turned off."""
        return f"{self.root}/running"

    @property
    def snapshots(self) -> str:
        """SwitchState: `ON` while the picture that started an event is published."""
        return f"{self.root}/snapshots"

    @property
    def collect(self) -> str:
        """SwitchState: `ON` while frames are collected for training."""
        return f"{self.root}/collect"

    def label(self, slug: str) -> str:
        """Return the topic of a label's SwitchState: `ON` between the label's start and end."""
        return f"{self.root}/label/{slug}"

    def today(self, slug: str) -> str:
        """Return the topic of how often a label started today, a number."""
        return f"{self.root}/today/{slug}"

    def last_seen(self, slug: str) -> str:
        """Return the topic of when a label was last present, RFC 3339."""
        return f"{self.root}/last_seen/{slug}"

    def picture(self, slug: str) -> str:
        """Return the topic of the last picture of a label: the JPEG of the frame that started its last event."""
        return f"{self.root}/picture/{slug}"

    @property
    def threshold_set(self) -> str:
        """Command: 0–1 or `default`."""
        return f"{self.threshold}/set"

    @property
    def running_set(self) -> str:
        """Command: `ON` or `OFF`."""
        return f"{self.running}/set"

    @property
    def snapshots_set(self) -> str:
        """Command: `ON` or `OFF`."""
        return f"{self.snapshots}/set"

    @property
    def collect_set(self) -> str:
        """Command: `ON` or `OFF`."""
        return f"{self.collect}/set"

    @property
    def model_check(self) -> str:
        """Command: check the update source now."""
        return f"{self.model}/check"

    @property
    def model_install(self) -> str:
        """Command: `latest` or a version."""
        return f"{self.model}/install"

    @property
    def model_rollback(self) -> str:
        """Command: go back to the previous model."""
        return f"{self.model}/rollback"

    @property
    def snapshot_get(self) -> str:
        """Command: publish a snapshot of the next frame."""
        return f"{self.snapshot}/get"

    @property
    def restart(self) -> str:
        """Command: stop the program cleanly, so that the service manager restarts it."""
        return f"{self.root}/restart"

    @property
    def commands(self) -> dict[str, str]:
        """The topic of each command by the command's name; the device subscribes to all of them."""
        return {
            "threshold": self.threshold_set,
            "running": self.running_set,
            "snapshots": self.snapshots_set,
            "collect": self.collect_set,
            "check": self.model_check,
            "install": self.model_install,
            "rollback": self.model_rollback,
            "snapshot": self.snapshot_get,
            "restart": self.restart,
        }

    @property
    def retained(self) -> tuple[str, ...]:
        """The retained topics that do not depend on the labels, without the announcement."""
        return (
            self.availability, self.camera, self.state, self.snapshot, self.stats, self.model, self.threshold,
            self.running, self.snapshots, self.collect,
        )  # fmt: skip

    @property
    def responses(self) -> str:
        """The prefix of every topic to which responses may be sent."""
        return f"{self.root}/response/"

    @property
    def discovery(self) -> str:
        """The announcement to Home Assistant."""
        return f"{self.discovery_prefix}/device/{self.device}/config"

    @property
    def homeassistant_status(self) -> str:
        """Home Assistant's own availability: `online` once it has started."""
        return f"{self.discovery_prefix}/status"


def make_slugs(labels: Iterable[str]) -> tuple[str, ...]:
    """Make a unique topic level for each label: lower-case NFKD, [a-z0-9_], at most 48 characters.

    If an earlier label has the same slug (even after shortening), `_` and the label's index are appended; a label
    without any usable character, such as one in Chinese, becomes `_` and its index.

    Args:
        labels: All labels of a model in the order of its output, which defines the index.

    Returns:
        One slug for each label, in the same order.
    """
    taken: dict[str, None] = {}
    for index, label in enumerate(labels):
        plain = unicodedata.normalize("NFKD", label).lower()
        plain = "".join(character for character in plain if not unicodedata.combining(character))
        slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:MAX_SLUG_CHARACTERS].rstrip("_")
        suffix = f"_{index}"
        while not slug or slug in taken:
            slug = slug[: MAX_SLUG_CHARACTERS - len(suffix)] + suffix
            suffix += f"_{index}"
        taken[slug] = None
    return tuple(taken)
