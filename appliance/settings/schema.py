"""The settings: which there are, their types, defaults and bounds. Reading them from a file is settings_file.py's part.

Every key is a field with a description and, where its type does not say enough, a check. Values are frozen: a
reload makes new ones. Nothing here acts; what a setting means is decided where it is used.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from appliance.settings.checks import (
    Check,
    check_broker_host,
    check_camera_source,
    check_device_id,
    check_interval,
    check_max_results,
    check_minimum,
    check_plain_name,
    check_range,
    check_region,
    check_sha1,
    check_size,
    check_thresholds,
    check_topic,
    check_web_address,
)


def option(default: Any, description: str, check: Check | None = None) -> Any:
    """A settings field: its default, one sentence for people, and what must hold (None, or what is wrong)."""
    metadata = {"description": description, "check": check}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """Who this device is."""

    id: str | None = option(
        None, "Its name in MQTT topics; without it, pi- and 8 digits that belong to this board.", check_device_id
    )
    name: str | None = option(None, "Its name for people; without it, Camera and the id.")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """Where frames come from."""

    source: str = option(
        "pi",
        "pi, pi:1, scene, a folder, a picture, a video file, /dev/video0, rtsp://… or http(s)://…",
        check_camera_source,
    )
    username: str | None = option(None, "For a network camera that asks for one.")
    password_file: Path | None = option(None, "A file that holds the network camera's password.")
    size: tuple[int, int] | None = option(
        None, "[width, height] to ask the camera for; without it, what suits the model.", check_size
    )
    fps: float = option(5.0, "Frames a second at the most.", check_range(0.01, 240))
    rotation: Literal[0, 90, 180, 270] = option(0, "Clockwise degrees that turn the picture upright.")
    hflip: bool = option(False, "Mirror left and right, after the rotation.")
    vflip: bool = option(False, "Mirror top and bottom, after the rotation.")
    region: tuple[float, float, float, float] | None = option(
        None, "[x, y, width, height], fractions of the upright picture: label only this part.", check_region
    )
    loop: bool = option(True, "Begin again at the end of a folder or a video file.")
    controls: dict[str, Any] = option({}, "Controls for picamera2, for example AwbMode = 1.")


@dataclass(frozen=True, slots=True)
class LabelerSettings:
    """Which model labels the frames, and which of its labels count."""

    model: str = option("", "A bundle (folder, .zip or .tflite) to use instead of the delivered or bundled model.")
    threshold: float | None = option(
        None, "Scores below it are not reported; without it, the model's own, else 0.5.", check_range(0, 1)
    )
    thresholds: dict[str, float] = option({}, "A threshold of its own for a label.", check_thresholds)
    max_results: int = option(-1, "Labels reported for a frame at the most; -1 for all.", check_max_results)
    allow: tuple[str, ...] = option((), "Only these labels are reported.")
    deny: tuple[str, ...] = option((), "These labels are never reported (not together with allow).")
    threads: int = option(1, "Threads of the TFLite runtime; more than one rarely helps.", check_range(1, 16))
    runtime: Literal["auto", "litert", "tflite-runtime"] = option(
        "auto", "auto takes LiteRT where it is installed, else tflite-runtime."
    )


@dataclass(frozen=True, slots=True)
class EventSettings:
    """When a label counts as started and as ended."""

    start_frames: int = option(3, "Frames in a row at or above the threshold that start a label.", check_range(1, 1000))
    end_after_s: float = option(2.0, "Seconds below threshold − hysteresis that end it.", check_range(0, 3600))
    hysteresis: float = option(
        0.05, "How far below the threshold a score must fall to count as gone.", check_range(0, 1)
    )
    cooldown_s: float = option(
        5.0, "Seconds after its end in which the label does not start again.", check_range(0, 86400)
    )


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The broker, and what is sent to it."""

    host: str = option("localhost", "The broker's name or address.", check_broker_host)
    port: int | None = option(None, "Its port; without it 1883, with TLS 8883.", check_range(1, 65535))
    protocol: Literal["5", "3.1.1"] = option("5", "The version of MQTT that the broker speaks.")
    username: str | None = option(None, "The account at the broker.")
    password_file: Path | None = option(None, "A file that holds the account's password.")
    client_id: str | None = option(None, "Without it, appliance- and the device id.")
    tls: bool = option(False, "Speak TLS; given with any of the three files below.")
    ca_file: Path | None = option(None, "The authority that signed the broker's certificate; without it, the system's.")
    cert_file: Path | None = option(None, "This device's certificate.")
    key_file: Path | None = option(None, "The certificate's key.")
    keepalive_s: int = option(
        30, "The broker calls the device offline after 1.5 times this silence.", check_range(5, 3600)
    )
    base_topic: str = option("appliance", "The first part of every topic.", check_topic)
    discovery: bool = option(True, "Announce the device to Home Assistant.")
    discovery_prefix: str = option("homeassistant", "Where Home Assistant listens.", check_topic)
    labels_per_s: float = option(
        1.0, "Messages a second on the topic labels at the most; 0 sends none.", check_range(0, 100)
    )
    snapshots: bool = option(False, "Send the picture that started an event (others on the broker can see it).")
    outbox_max_events: int = option(
        100_000, "Undelivered events kept at the most; the oldest goes first.", check_minimum(100)
    )
    outbox_max_age_s: float = option(
        604_800, "Undelivered events older than this are dropped (a week).", check_minimum(60, " s")
    )


@dataclass(frozen=True, slots=True)
class FirebaseSettings:
    """The Firebase project, for the source firebase-ml and for Remote Config."""

    project_id: str | None = option(None, "The project's id.", check_plain_name)
    api_key: str | None = option(None, "The web app's API key; it names the project and is not a secret.")
    app_id: str | None = option(None, "The web app's id, 1:…:web:….")
    model_name: str | None = option(None, "The custom model to download.", check_plain_name)
    remote_config: bool = option(False, "Let Remote Config choose channel or model name and threshold for each device.")
    android_package: str | None = option(None, "Where the key is restricted to an Android app: its package name …")
    android_cert: str | None = option(None, "… and the SHA-1 of its signing certificate.", check_sha1)
    ios_bundle_id: str | None = option(None, "Where the key is restricted to an iOS app: its bundle id.")


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """Where newer models come from, and when they are taken."""

    source: Literal["none", "url", "repository", "firebase-ml"] = option(
        "none",
        "none, url (a file on any static host), repository (signed, with channels) or firebase-ml (until 2027-06-15).",
    )
    install: Literal["auto", "ask"] = option("auto", "ask waits for a command on the topic model/install.")
    url: str | None = option(
        None,
        "For url: a manifest.json, .zip or .tflite; for repository: the folder of its metadata/ and targets/.",
        check_web_address,
    )
    root: Path | None = option(None, "For repository: the root.json that came with the device.")
    channel: str = option("stable", "For repository: which channel to follow.", check_plain_name)
    group: str | None = option(
        None, "The group of devices this one belongs to, for repository and Remote Config.", check_plain_name
    )
    interval_s: float = option(3600.0, "Seconds between two checks; 0: only on command.", check_interval)
    probation_s: float = option(
        600.0, "Seconds with frames in which a new model must prove itself.", check_range(0, 7 * 86400)
    )
    max_latency_ms: float | None = option(
        None,
        "How long a new model may take for a frame (p95); without it, 3 times the old or 0.8 of a frame's time.",
        check_range(1, 600_000),
    )
    allow_downgrade: bool = option(False, "For url: take an older version too.")
    max_bytes: int = option(256 * 1024 * 1024, "The largest download.", check_range(1024, 1024 * 1024 * 1024))
    firebase: FirebaseSettings = FirebaseSettings()


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """Which frames are kept for the next training."""

    enabled: bool = option(False, "Keep frames worth a label (whoever can read the folder sees what the camera saw).")
    dir: Path | None = option(None, "The folder for them; without it, collected in the state folder.")
    score_min: float = option(0.3, "A frame is kept when its best score lies from here …", check_range(0, 1))
    score_max: float = option(0.7, "… to here; 0 turns this off.", check_range(0, 1))
    margin_max: float = option(
        0.1,
        "And when its two best labels are this close and the better has score_min; 0 turns this off.",
        check_range(0, 1),
    )
    on_start: bool = option(True, "And when a label starts.")
    every_s: float = option(
        3600.0, "And one so often, whatever it shows; 0 turns this off.", check_range(0, 31_536_000)
    )
    max_bytes: int = option(
        500_000_000, "The folder's size at the most; the oldest frames go first.", check_minimum(1_000_000)
    )
    max_per_hour: int = option(
        60, "Frames an hour at the most; all but those of on_start are spread over it.", check_range(1, 3600)
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the program says of itself."""

    level: Literal["debug", "info", "warning", "error"] = option("info", "How much is said.")
    format: Literal["text", "json"] = option("text", "json gives one object a line.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `path` is the file they came from, None for the defaults alone."""

    device: DeviceSettings = DeviceSettings()
    camera: CameraSettings = dataclasses.field(default_factory=CameraSettings)
    labeler: LabelerSettings = dataclasses.field(default_factory=LabelerSettings)
    events: EventSettings = EventSettings()
    mqtt: MqttSettings = MqttSettings()
    update: UpdateSettings = UpdateSettings()
    collect: CollectSettings = CollectSettings()
    log: LogSettings = LogSettings()
    path: Path | None = None


def find_contradiction(settings: Settings) -> tuple[str, str] | None:
    """What two keys cannot both say: the key to point at and the sentence, or None."""
    labeler, mqtt, camera = settings.labeler, settings.mqtt, settings.camera
    if labeler.allow and labeler.deny:
        return "labeler.deny", "cannot be given together with labeler.allow: keep one of the two"
    if mqtt.password_file and not mqtt.username:
        return "mqtt.password_file", "needs mqtt.username beside it"
    if (mqtt.cert_file is None) != (mqtt.key_file is None):
        given, missing = ("cert_file", "key_file") if mqtt.cert_file else ("key_file", "cert_file")
        return f"mqtt.{given}", f"needs mqtt.{missing} beside it"
    if camera.password_file and not camera.username:
        return "camera.password_file", "needs camera.username beside it"
    if 0 < settings.collect.score_max < settings.collect.score_min:
        return "collect.score_min", f"must not be more than collect.score_max, which is {settings.collect.score_max:g}"
    return _update_contradiction(settings.update)


def _update_contradiction(update: UpdateSettings) -> tuple[str, str] | None:
    needs: dict[str, tuple[str, ...]] = {
        "url": ("url",),
        "repository": ("url", "root"),
        "firebase-ml": ("firebase.project_id", "firebase.api_key", "firebase.app_id", "firebase.model_name"),
    }
    if bool(update.firebase.android_package) != bool(update.firebase.android_cert):
        given, missing = ("package", "cert") if update.firebase.android_package else ("cert", "package")
        return f"update.firebase.android_{given}", f"needs update.firebase.android_{missing} beside it"
    wanted = needs.get(update.source, ())
    if update.firebase.remote_config and update.source != "none":
        # Remote Config itself may name the model.
        wanted = (*(key for key in wanted if key != "firebase.model_name"), *needs["firebase-ml"][:3])
    for key in wanted:
        section, _, name = f"update.{key}".rpartition(".")
        if not getattr(update.firebase if section == "update.firebase" else update, name):
            return "update.source", f"= {update.source!r} needs update.{key} beside it"
    return None
