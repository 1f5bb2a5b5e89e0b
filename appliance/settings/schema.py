"""The settings: their types, defaults, descriptions and bounds; load.py reads them from a file.

Every key is a field with a description and, if the type alone is not sufficient, a check. Settings are frozen, so a
reload creates new ones. The descriptions are also the comments in config/appliance.toml and the text of the settings
reference (reference.py).
"""

# ruff: noqa: RUF009 - option() returns a dataclass field

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
    check_listen,
    check_max_results,
    check_minimum,
    check_path_length,
    check_plain_name,
    check_public_url,
    check_range,
    check_region,
    check_sha1,
    check_sha256,
    check_size,
    check_thresholds,
    check_topic,
    check_update_url,
    check_window,
)


def option(default: Any, description: str, check: Check | None = None) -> Any:
    """Return the dataclass field of a setting.

    Args:
        default: The value if the setting is not given.
        description: One sentence for the settings file and the reference.
        check: Returns what is wrong with a value, or None if it is valid.
    """
    metadata = {"description": description, "check": check}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """The identity of this device."""

    id: str | None = option(
        None,
        "The device's id in MQTT topics; default: pi- followed by 8 hex digits derived from the board.",
        check_device_id,
    )
    name: str | None = option(None, "The display name; default: Camera followed by the id.")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """The camera, and how its picture is rotated and cropped."""

    source: str = option(
        "auto",
        "auto (the Pi's camera, else the first USB camera), pi, pi:1, scene, a folder, a picture, a video file, "
        "/dev/video0, rtsp://… or http(s)://…",
        check_camera_source,
    )
    username: str | None = option(None, "The user name for a network camera that requires one.")
    password_file: Path | None = option(None, "A file that contains the network camera's password.")
    ca_file: Path | None = option(
        None,
        "The certificate authority that signed an https:// or rtsps:// camera's certificate; default: the system's.",
    )
    tls_fingerprint: str | None = option(
        None,
        "The SHA-256 fingerprint of the only certificate to trust for the camera; appliance check prints it.",
        check_sha256,
    )
    size: tuple[int, int] | None = option(
        None, "[width, height] in pixels to request from the camera; default: a size that suits the model.", check_size
    )
    fps: float = option(5.0, "The maximum number of frames per second.", check_range(0.01, 240))
    rotation: Literal[0, 90, 180, 270] = option(0, "Clockwise rotation in degrees that turns the picture upright.")
    hflip: bool = option(False, "Mirror left and right, after the rotation.")
    vflip: bool = option(False, "Mirror top and bottom, after the rotation.")
    region: tuple[float, float, float, float] | Literal["square"] | None = option(
        None,
        'Label only this part: [x, y, width, height] as fractions of the upright picture, or "square", its center.',
        check_region,
    )
    loop: bool = option(True, "Start over at the end of a folder or a video file.")
    controls: dict[str, Any] = option({}, "Controls for picamera2, for example AwbMode = 1.")


@dataclass(frozen=True, slots=True)
class LabelerSettings:
    """The model that labels the frames, and the labels that are reported."""

    model: str = option(
        "",
        "A bundle (folder, .zip, .tflite, or bundled:general, bundled:flowers) to use instead of the installed model.",
        check_path_length,
    )
    threshold: float | None = option(
        None, "The lowest score that is reported; default: the model's own threshold, else 0.5.", check_range(0, 1)
    )
    thresholds: dict[str, float] = option({}, "Separate thresholds for individual labels.", check_thresholds)
    max_results: int = option(-1, "The maximum number of labels reported per frame; -1 for all.", check_max_results)
    allow: tuple[str, ...] = option((), "Report only these labels; if empty, report all.")
    deny: tuple[str, ...] = option((), "Never report these labels (cannot be combined with allow).")
    threads: int = option(1, "Threads of the TFLite runtime; more than one rarely helps.", check_range(1, 16))
    runtime: Literal["auto", "litert", "tflite-runtime"] = option(
        "auto", "auto uses LiteRT if it is installed, else tflite-runtime."
    )


@dataclass(frozen=True, slots=True)
class EventSettings:
    """When a label starts and ends."""

    start_frames: int = option(
        3, "The number of consecutive frames at or above the threshold that starts a label.", check_range(1, 1000)
    )
    end_after_s: float = option(
        2.0, "A label ends after this many seconds below threshold − hysteresis.", check_range(0, 3600)
    )
    hysteresis: float = option(
        0.05, "How far below the threshold a score must fall before the label can end.", check_range(0, 1)
    )
    cooldown_s: float = option(
        5.0, "Seconds after its end during which a label cannot start again.", check_range(0, 86400)
    )


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The MQTT broker, and what is published to it."""

    host: str = option("localhost", "The broker's host name or address.", check_broker_host)
    port: int | None = option(None, "The broker's port; default: 1883, or 8883 with TLS.", check_range(1, 65535))
    protocol: Literal["5", "3.1.1"] = option("5", "The version of MQTT that the broker supports.")
    username: str | None = option(None, "The user name at the broker.")
    password_file: Path | None = option(None, "A file that contains the password for this user name.")
    client_id: str | None = option(None, "The MQTT client id; default: appliance- followed by the device id.")
    tls: bool = option(False, "Use TLS; setting ca_file, cert_file or key_file also turns it on.")
    ca_file: Path | None = option(
        None, "The certificate authority that signed the broker's certificate; default: the system's authorities."
    )
    cert_file: Path | None = option(None, "This device's client certificate.")
    key_file: Path | None = option(None, "The private key of the client certificate.")
    keepalive_s: int = option(
        30,
        "The MQTT keep-alive in seconds; after 1.5 times as long without a message, the broker reports the device as "
        "offline.",
        check_range(5, 3600),
    )
    base_topic: str = option("appliance", "The first part of every topic.", check_topic)
    discovery: bool = option(True, "Announce the device to Home Assistant (MQTT discovery).")
    discovery_prefix: str = option("homeassistant", "The topic prefix for Home Assistant's discovery.", check_topic)
    labels_per_s: float = option(
        1.0, "The maximum number of messages per second on the topic labels; 0 sends none.", check_range(0, 100)
    )
    snapshots: bool = option(False, "Publish the picture that started an event (other users of the broker can see it).")
    outbox_max_events: int = option(
        100_000,
        "The maximum number of undelivered events to keep; the oldest are dropped first.",
        check_minimum(100),
    )
    outbox_max_age_s: float = option(
        604_800,
        "The age in seconds at which undelivered events are dropped (604800 is a week).",
        check_minimum(60, " s"),
    )


@dataclass(frozen=True, slots=True)
class FirebaseSettings:
    """The Firebase project, for the source firebase-ml and for Remote Config."""

    project_id: str | None = option(None, "The project's id.", check_plain_name)
    api_key: str | None = option(None, "The web app's API key; it identifies the project and is not a secret.")
    app_id: str | None = option(None, "The web app's id, of the form 1:…:web:….")
    model_name: str | None = option(None, "The custom model to download.", check_plain_name)
    remote_config: bool = option(
        False, "Let Remote Config set the channel or model name, and the threshold, for each device."
    )
    android_package: str | None = option(
        None, "The package name of the Android app, if the API key is restricted to it."
    )
    android_cert: str | None = option(
        None, "The SHA-1 of that Android app's signing certificate, if the API key is restricted to it.", check_sha1
    )
    ios_bundle_id: str | None = option(None, "The bundle id of the iOS app, if the API key is restricted to it.")


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """Where newer models come from, and when they are installed."""

    source: Literal["none", "url", "repository", "firebase-ml"] = option(
        "none",
        "none, url (a file on any static host), repository (signed, with channels) or firebase-ml (until 2027-06-15).",
    )
    install: Literal["auto", "ask"] = option(
        "auto", "auto installs new models; ask waits for a command on the topic model/install."
    )
    url: str | None = option(
        None,
        "For url: a manifest.json, .zip or .tflite; for repository: the folder that contains metadata/ and targets/.",
        check_update_url,
    )
    root: Path | None = option(None, "For repository: the trusted root.json on this device.")
    channel: str = option("stable", "For repository: the channel to follow.", check_plain_name)
    group: str | None = option(
        None, "The group that this device belongs to, for repository and Remote Config.", check_plain_name
    )
    ca_file: Path | None = option(
        None, "The certificate authority that signed the update server's certificate; default: the system's."
    )
    allow_http: bool = option(
        False, "For repository: allow http:// to a private address; the signatures protect the models."
    )
    interval_s: float = option(3600.0, "Seconds between update checks; 0 checks only on command.", check_interval)
    window: str | None = option(
        None,
        'The local time in which a model may be swapped in, such as "02:00-05:00"; default: at any time.',
        check_window,
    )
    probation_s: float = option(
        600.0,
        "The length of a new model's probation in seconds; only time with frames counts.",
        check_range(0, 7 * 86400),
    )
    max_latency_ms: float | None = option(
        None,
        "The longest time per frame (p95) allowed for a new model; default: the larger of 3 times the old model's time "
        "and 0.8 of the frame interval.",
        check_range(1, 600_000),
    )
    allow_downgrade: bool = option(False, "For url: also install older versions.")
    max_bytes: int = option(
        256 * 1024 * 1024, "The maximum size of a download in bytes.", check_range(1024, 1024 * 1024 * 1024)
    )
    firebase: FirebaseSettings = FirebaseSettings()


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page of the device and its HTTP API; both need the extra web."""

    enabled: bool = option(False, "Serve the page and the HTTP API, protected by a sign-in link (appliance web).")
    listen: tuple[str, ...] = option(
        ("127.0.0.1:8080",),
        'The addresses and ports to listen on; ["0.0.0.0:8080", "[::]:8080"] for the whole network.',
        check_listen,
    )
    allow_public: bool = option(
        False, "Also answer addresses outside private networks (the internet); use it only with TLS."
    )
    upload: bool | None = option(
        None, "Let the page install uploaded models; default: unless update.source is repository (signed)."
    )
    cert_file: Path | None = option(None, "The certificate for https://.")
    key_file: Path | None = option(None, "The private key of that certificate.")
    public_url: str | None = option(
        None, "The address under which people reach the page, for Home Assistant and behind a proxy.", check_public_url
    )


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """The last events with their pictures, kept on the device."""

    enabled: bool | None = option(
        None,
        "Keep the last events (accounts that can read the folder can see the pictures); default: when the page is on.",
    )
    pictures: bool = option(True, "Keep the picture that started each event.")
    max_events: int = option(10_000, "The maximum number of events; older ones are removed.", check_range(1, 10**7))
    max_bytes: int = option(
        500_000_000, "The maximum size of the pictures in bytes; the oldest are removed.", check_range(0, 10**13)
    )
    max_age_days: float = option(14.0, "Events older than this many days are removed.", check_range(0.01, 36_500))


@dataclass(frozen=True, slots=True)
class CollectSettings:
    """The frames to keep for the next training run."""

    enabled: bool = option(
        False, "Keep frames worth labeling by hand (accounts that can read the folder can see the camera's pictures)."
    )
    dir: Path | None = option(None, "The folder for the frames; default: the folder collected in the state folder.")
    score_min: float | None = option(
        None, "Keep best scores from this; default: half the threshold.", check_range(0, 1)
    )
    score_max: float | None = option(None, "Up to this; 0 turns the rule off; default: midway to 1.", check_range(0, 1))
    margin_max: float = option(
        0.1,
        "Keep a frame if its two best scores differ by at most this and the best reaches score_min; 0 turns this rule "
        "off.",
        check_range(0, 1),
    )
    on_start: bool = option(True, "Keep a frame if a label starts.")
    every_s: float = option(
        600.0, "Keep a frame at least this often (s), and all novel ones; 0 turns both off.", check_range(0, 31_536_000)
    )
    max_bytes: int = option(
        500_000_000,
        "The maximum size of the folder in bytes; the oldest frames are removed first.",
        check_minimum(1_000_000),
    )
    max_per_hour: int = option(
        60,
        "The maximum number of frames per hour, spread over the hour; on_start may keep as many in addition, at any "
        "time.",
        check_range(1, 3600),
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The program's log."""

    level: Literal["debug", "info", "warning", "error"] = option("info", "The lowest level to log.")
    format: Literal["text", "json"] = option("text", "text, or json for one JSON object per line.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `path` is the file they were read from; None if only the defaults are used."""

    device: DeviceSettings = DeviceSettings()
    camera: CameraSettings = dataclasses.field(default_factory=CameraSettings)
    labeler: LabelerSettings = dataclasses.field(default_factory=LabelerSettings)
    events: EventSettings = EventSettings()
    mqtt: MqttSettings = MqttSettings()
    update: UpdateSettings = UpdateSettings()
    web: WebSettings = WebSettings()
    history: HistorySettings = HistorySettings()
    collect: CollectSettings = CollectSettings()
    log: LogSettings = LogSettings()
    path: Path | None = None
