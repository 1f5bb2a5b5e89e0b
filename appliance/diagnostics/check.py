"""Is everything in place? One finding for each part, with what to do where something is not.

Where the daemon runs, it holds the camera, so its own words are taken for camera and model; the broker is always
tried for real, under a client id of its own. Nothing here changes anything.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import appliance
from appliance.camera.open import open_camera
from appliance.camera.source import CameraState
from appliance.control.client import ask
from appliance.daemon import active_model as models
from appliance.errors import ApplianceError, BundleError, DaemonAbsentError, UpdateError
from appliance.imaging.view import View
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.messaging.round_trip import round_trip
from appliance.messaging.topics import Topics
from appliance.settings.credentials import apply_credentials
from appliance.settings.schema import Settings
from appliance.settings.secrets import read_secret
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import find_control_socket, ensure_state_dir
from appliance.updates.sources.open import shutdown_notice
from appliance.updates.sources.peek import peek
from appliance.updates.sources.source import display_version

# A model update of some size and a day of events fit in; below it updates begin to fail.
LEAST_FREE_BYTES = 100_000_000
# A frame older than this, where the daemon holds the camera, is no sign of a camera that works.
_FRESH_S = 10.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One part: whether it works, and a sentence that says so or says what to do."""

    part: str
    ok: bool
    says: str


def check(settings: Settings) -> Iterator[CheckResult]:
    """Looks at each part in turn; yields as soon as each is known."""
    settings = apply_credentials(settings)
    yield CheckResult("settings", True, f"{settings.path} is valid" if settings.path else "the defaults hold")
    try:
        daemon = ask(find_control_socket(), {"command": "status"}, 5)
    except DaemonAbsentError:
        daemon = None
    except ApplianceError as error:
        daemon = None
        yield CheckResult("daemon", False, str(error))
    if daemon:
        its_settings = daemon["settings"] or "the defaults"
        yield CheckResult("daemon", True, f"version {daemon['version']} runs as {daemon['device']} with {its_settings}")
        yield _camera_of(daemon)
        yield _model_of(daemon)
    else:
        yield from _camera_and_model(settings)
    if daemon and daemon["broker"]["trouble"]:
        yield CheckResult("broker", False, daemon["broker"]["trouble"])
    else:
        yield _found("broker", lambda: _broker(settings))
    said = shutdown_notice(settings.update, date.today())
    yield _found("update source", lambda: _update(settings, bool(daemon)) + (f"; {said}" if said else ""))
    yield _disk()
    yield _clock()


def _found(part: str, look: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(part, True, look())
    except ApplianceError as error:
        return CheckResult(part, False, str(error))


def _camera_of(daemon: dict[str, Any]) -> CheckResult:
    camera = daemon["camera"]
    age_s = camera["last_frame_age_s"]
    if camera["state"] == CameraState.STREAMING and age_s is not None and age_s <= _FRESH_S:
        return CheckResult("camera", True, f"{camera['description']}; the daemon's last frame is {age_s:.1f} s old")
    if camera["state"] == CameraState.OFF:
        return CheckResult("camera", True, "switched off (running is OFF)")
    return CheckResult("camera", False, camera["reason"] or f"{camera['state']}: no frame in the last {_FRESH_S:g} s")


def _model_of(daemon: dict[str, Any]) -> CheckResult:
    model, labels = daemon["model"], daemon["labels"]
    if daemon["labeling_trouble"]:
        return CheckResult("model", False, daemon["labeling_trouble"])
    seen = f"sees {', '.join(labels)}" if labels else "sees nothing that it knows"
    return CheckResult("model", True, f"{model['name']} {model['version']} on {daemon['runtime']}; {seen}")


def _camera_and_model(settings: Settings) -> Iterator[CheckResult]:
    """Opens the camera, takes a frame and labels it; the model is tried on grey where there is no frame."""
    import numpy as np

    pixels = None
    try:
        camera = open_camera(settings.camera, (640, 480))
        try:
            pixels = camera.read()
            yield CheckResult(
                "camera", True, f"{camera.description}; a frame of {pixels.shape[1]}×{pixels.shape[0]} was taken"
            )
        finally:
            camera.close()
    except ApplianceError as error:
        yield CheckResult("camera", False, str(error))
    except Exception as error:  # noqa: BLE001 - camera libraries raise what they like; the daemon would go on trying
        yield CheckResult(
            "camera", False, f"the camera failed with {type(error).__name__}: {error}; check camera.source"
        )

    def label() -> str:
        named = settings.labeler.model
        try:
            bundle = models.read_bundle(Path(named)) if named else models.device_bundle()
        except BundleError as error:
            raise BundleError(f"labeler.model: {error}" if named else str(error)) from error
        view = View(settings.camera.rotation, settings.camera.hflip, settings.camera.vflip, settings.camera.region)
        labeler = Labeler(bundle, runtime=settings.labeler.runtime, threads=settings.labeler.threads, view=view)
        label_filter = LabelFilter(bundle, settings.labeler)
        scores = labeler.score(np.full((480, 640, 3), 127, np.uint8) if pixels is None else pixels)
        labels = label_filter.select(scores)
        seen = ", ".join(f"{item.label} {item.score:.2f}" for item in labels[:3]) or "nothing that it knows"
        on = "" if pixels is not None else " (no frame: tried on grey)"
        identity = labeler.identity
        return (
            f"{identity.name} {identity.version} on {labeler.runtime}; sees {seen}{on}, {labeler.inference_ms:.1f} ms"
        )

    yield _found("model", label)


def _broker(settings: Settings) -> str:
    device = resolve_device_id(settings.device.id)
    password, warning = None, None
    if settings.mqtt.password_file:
        password, warning = read_secret(settings.mqtt.password_file, "mqtt.password_file")
    topics = Topics(settings.mqtt.base_topic, device)
    took_s = round_trip(settings.mqtt, password, topics, f"appliance-{device}-check")
    return f"{settings.mqtt.host}: a message made the round trip in {took_s * 1000:.0f} ms{f'; {warning}' if warning else ''}"


def _update(settings: Settings, daemon: bool) -> str:
    if settings.update.source == "none":
        return "none: models are put in place with: appliance model install BUNDLE"
    if daemon:
        found = ask(find_control_socket(), {"command": "update-status"}, 5)
        if found["trouble"]:
            raise UpdateError(found["trouble"])
        if not found["asked"]:
            return f"{settings.update.source}: the daemon has not asked it yet"
        if found["latest"]:
            return f"{found['origin']}: {found['latest']} is offered"
        return f"{found['origin']}: nothing newer{': ' + found['passed_over'] if found['passed_over'] else ''}"
    origin, offer = peek(settings.update, resolve_device_id(settings.device.id), ensure_state_dir())
    return f"{origin} offers {shown_version(offer) if offer else 'nothing'}"


def _disk() -> CheckResult:
    try:
        folder = ensure_state_dir()
        free = shutil.disk_usage(folder).free
    except (ApplianceError, OSError) as error:
        return CheckResult("disk", False, str(error))
    says = f"{free / 1e9:.1f} GB free for {folder}"
    if free < LEAST_FREE_BYTES:
        return CheckResult("disk", False, f"{says}: too little for events and models; make room")
    return CheckResult("disk", True, says)


def _clock() -> CheckResult:
    """A clock before the program's own files cannot be right: a Pi has no battery and begins in the past."""
    made = Path(appliance.__file__).stat().st_mtime
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    if time.time() < made:
        return CheckResult(
            "clock",
            False,
            f"{now} UTC is before this program was installed; see: timedatectl, and whether the network is up",
        )
    return CheckResult("clock", True, f"{now} UTC")
