"""Find settings that conflict with each other."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.settings.checks import NOT_HTTPS
from appliance.settings.schema import CameraSettings, MqttSettings, Settings, UpdateSettings, WebSettings
from appliance.system.urls import is_loopback


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A setting that conflicts with another one: its key (`section.key`) and what is wrong."""

    key: str
    reason: str


def find_contradiction(settings: Settings) -> Contradiction | None:
    """Return the first setting that conflicts with another one, or None."""
    labeler, mqtt, camera = settings.labeler, settings.mqtt, settings.camera
    if labeler.allow and labeler.deny:
        return Contradiction("labeler.deny", "cannot be combined with labeler.allow; keep one of the two")
    if mqtt.password_file and not mqtt.username:
        return Contradiction("mqtt.password_file", "requires mqtt.username")
    secured: dict[str, MqttSettings | WebSettings] = {"mqtt": mqtt, "web": settings.web}
    for name, section in secured.items():
        if (section.cert_file is None) != (section.key_file is None):
            given, missing = ("cert_file", "key_file") if section.cert_file else ("key_file", "cert_file")
            return Contradiction(f"{name}.{given}", f"requires {name}.{missing}")
    if contradiction := _find_camera_contradiction(camera):
        return contradiction
    if 0 < (settings.collect.score_max or 0) < (settings.collect.score_min or 0):
        return Contradiction(
            "collect.score_min", f"must not exceed collect.score_max, which is {settings.collect.score_max:g}"
        )
    return _find_update_contradiction(settings.update)


def _find_camera_contradiction(camera: CameraSettings) -> Contradiction | None:
    if camera.password_file and not camera.username:
        return Contradiction("camera.password_file", "requires camera.username")
    if camera.ca_file and camera.tls_fingerprint:
        return Contradiction("camera.tls_fingerprint", "cannot be combined with camera.ca_file; keep one of the two")
    if camera.tls_fingerprint and not camera.source.startswith(("https://", "rtsps://")):
        return Contradiction("camera.tls_fingerprint", "requires a camera.source that begins with https:// or rtsps://")
    return None


def _find_update_contradiction(update: UpdateSettings) -> Contradiction | None:
    firebase_project = ("firebase.project_id", "firebase.api_key", "firebase.app_id")
    required: dict[str, tuple[str, ...]] = {
        "url": ("url",),
        "repository": ("url", "root"),
        "firebase-ml": (*firebase_project, "firebase.model_name"),
    }
    if bool(update.firebase.android_package) != bool(update.firebase.android_cert):
        given, missing = ("package", "cert") if update.firebase.android_package else ("cert", "package")
        return Contradiction(f"update.firebase.android_{given}", f"requires update.firebase.android_{missing}")
    keys = required.get(update.source, ())
    if update.firebase.remote_config and update.source != "none":
        # Remote Config itself may give the model's name.
        keys = (*(key for key in keys if key != "firebase.model_name"), *firebase_project)
    for key in keys:
        section, _, name = f"update.{key}".rpartition(".")
        if not getattr(update.firebase if section == "update.firebase" else update, name):
            return Contradiction("update.source", f"= {update.source!r} requires update.{key}")
    return _find_http_contradiction(update)


def _find_http_contradiction(update: UpdateSettings) -> Contradiction | None:
    """Return why update.url may not begin with http://; a signed repository in a private network may be served so."""
    url = urlsplit(update.url or "")
    if url.scheme != "http" or is_loopback(url.hostname or ""):
        return None
    if update.source == "url" or not update.allow_http:
        return Contradiction("update.url", NOT_HTTPS)
    return None
