"""Check every part of the device and report what to do about problems, without changing anything.

If the daemon is running, it uses the camera, so the camera and the model are checked through the daemon's report. The
broker is always tested over a separate connection, with a separate client id.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from appliance.camera.open import open_camera
from appliance.camera.source import CameraState
from appliance.daemon.active_model import read_bundle_in_force
from appliance.daemon.input_notices import InputNotices
from appliance.diagnostics.collect_check import find_collect_check
from appliance.diagnostics.leftovers import find_leftovers
from appliance.diagnostics.page_check import find_page_check
from appliance.diagnostics.running_daemon import RunningDaemon, ask_running_daemon, list_keys
from appliance.diagnostics.unit import find_unseen_path
from appliance.diagnostics.update_check import check_update_source
from appliance.errors import ApplianceError, ControlAccessError, ControlError
from appliance.imaging.view import View
from appliance.labeling.kernels import describe_slow_kernels
from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.messaging.round_trip import measure_round_trip
from appliance.messaging.topics import Topics
from appliance.settings.credentials import CREDENTIALS, apply_credentials, has_closed_credentials
from appliance.settings.schema import Settings
from appliance.settings.secrets import read_secret
from appliance.system.atomic_files import is_read_only
from appliance.system.clock import is_clock_before_build
from appliance.system.device_id import resolve_device_id
from appliance.system.paths import find_state_dir, find_unit

# Enough for a large model update and a day of events; with less, updates may fail.
MIN_FREE_BYTES = 100_000_000
# If the daemon's newest frame is older than this, or than the source's own limit, the camera does not work.
_MAX_FRAME_AGE_S = 10.0
_FOLDER_LIMIT_S = 5.0  # for a first picture in a folder that a camera fills
_FRAME_LIMIT_S = 90.0  # for a first frame; longer than any camera's own limit
_TEST_FRAME_PX = (640, 480)


class CheckState(StrEnum):
    """The state of a part, as `appliance check` prints it."""

    OK = "ok"
    NOT_OK = "NOT OK"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result for one part.

    Attributes:
        part: The name of the part.
        state: Whether the part works.
        message: What works, or what is wrong and what to do about it.
    """

    part: str
    state: CheckState
    message: str

    @property
    def is_ok(self) -> bool:
        """Whether the part works."""
        return self.state is CheckState.OK

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of `appliance check --json`."""
        return {"part": self.part, "ok": self.is_ok, "says": self.message}


class _FailedCheckError(ApplianceError):
    """A part does not work; the text of the error is the message of the result."""


def check_device(settings: Settings, *, is_file_given: bool = False) -> Iterator[CheckResult]:
    """Check each part in turn.

    Args:
        settings: Valid settings.
        is_file_given: Whether the user asks for this settings file, which a running daemon may not use. What it
            configures differently is then checked without the daemon.

    Yields:
        Each result as soon as it is known. The part `daemon` is omitted if no daemon is running.

    Raises:
        ControlAccessError: This account may not contact the installed service.
    """
    settings = apply_credentials(settings)
    daemon: RunningDaemon | None = None
    fault: ControlError | None = None
    try:
        daemon = ask_running_daemon(settings)
    except ControlError as error:
        if isinstance(error, ControlAccessError) and not is_file_given:
            raise
        fault = error
    yield _run_check("settings", lambda: _describe_settings(settings, daemon, is_file_given))
    if fault:
        yield CheckResult("daemon", CheckState.NOT_OK, str(fault))
    if daemon is None:
        yield from _check_camera_and_model(settings)
        yield _run_check("broker", lambda: _check_broker(settings))
    elif is_file_given and daemon.differences:
        yield from _check_beside_daemon(daemon, settings)
    else:
        yield from _check_running_daemon(daemon.report, settings)
    if leftovers := find_leftovers(daemon.report if daemon else None, settings):
        yield CheckResult("former topics", CheckState.OK, leftovers)  # they hinder nothing
    has_same_page = daemon is not None and not (is_file_given and daemon.differs_in("web."))
    if check_page := find_page_check(daemon is not None, has_same_page, settings):
        yield _run_daemon_check("page", check_page)
    if daemon and (trouble := (daemon.report.get("history") or {}).get("trouble")):
        yield CheckResult("history", CheckState.NOT_OK, str(trouble))
    asks_daemon = daemon is not None and not (is_file_given and daemon.differs_in("update."))
    yield _run_check("update source", lambda: check_update_source(settings, asks_daemon))
    yield _run_check("disk", lambda: _check_disk(daemon.report if daemon else None))
    collects = daemon is not None and not (is_file_given and daemon.differs_in("collect."))
    if check_collecting := find_collect_check(daemon.report if daemon and collects else None, settings):
        yield _run_daemon_check("collecting", check_collecting)
    yield _run_check("clock", _check_clock)


def _describe_settings(settings: Settings, daemon: RunningDaemon | None, is_file_given: bool) -> str:
    if unseen := find_unseen_path(settings):
        raise _FailedCheckError(unseen)
    valid = f"{settings.path} is valid" if settings.path else "the defaults are used"
    if daemon is None or not daemon.differences:
        return valid
    keys = list_keys(daemon.differences)
    if not is_file_given and daemon.report.get("settings") != (str(settings.path) if settings.path else None):
        used = daemon.report.get("settings") or "the defaults"
        return f"{valid}; the running service uses {used} instead, with other values of {keys}"
    if is_file_given and daemon.report.get("settings") != str(settings.path):
        return f"{valid}; the running service has other values of {keys}"
    unit = find_unit()
    remedy = f"apply it with: sudo systemctl restart {unit}" if unit else "restart the daemon to apply it"
    return f"{valid}; not yet in effect: {keys}; {remedy}"


def _run_check(part: str, check: Callable[[], str]) -> CheckResult:
    """Run a check, which returns a message or raises an ApplianceError if the part does not work."""
    try:
        return CheckResult(part, CheckState.OK, check())
    except ApplianceError as error:
        return CheckResult(part, CheckState.NOT_OK, str(error))


def _check_running_daemon(daemon: dict[str, Any], settings: Settings) -> Iterator[CheckResult]:
    yield _run_daemon_check("daemon", lambda: _describe_daemon(daemon))
    yield _run_daemon_check("camera", lambda: _check_reported_camera(daemon["camera"]))
    yield _run_daemon_check("model", lambda: _check_reported_model(daemon))
    yield _run_daemon_check("broker", lambda: _check_broker(settings, daemon["broker"]["trouble"]))


def _check_beside_daemon(daemon: RunningDaemon, settings: Settings) -> Iterator[CheckResult]:
    """Check what a settings file configures differently from the running daemon; take the rest from its report."""
    report = daemon.report
    yield _run_daemon_check("daemon", lambda: _describe_daemon(report))
    frames: list[np.ndarray] = []
    if daemon.differs_in("camera.source"):
        yield _run_check("camera", lambda: _check_camera(settings, frames))
    else:
        untested = list_keys(key for key in daemon.differences if key.startswith("camera."))
        remark = f"; not tested, because the service uses this camera: {untested}" if untested else ""
        yield _run_daemon_check("camera", lambda: _check_reported_camera(report["camera"]) + remark)
    if daemon.differs_in("camera.", "labeler."):
        yield _run_check("model", lambda: _check_model(settings, frames[0] if frames else None))
    else:
        yield _run_daemon_check("model", lambda: _check_reported_model(report))
    if daemon.differs_in("mqtt.", "device.id"):
        yield _run_check("broker", lambda: _check_broker(settings))
    else:
        yield _run_daemon_check("broker", lambda: _check_broker(settings, report["broker"]["trouble"]))


def _describe_daemon(report: dict[str, Any]) -> str:
    source = report["settings"] or "the defaults"
    return f"version {report['version']} runs as {report['device']} with {source}"


def _run_daemon_check(part: str, check: Callable[[], str]) -> CheckResult:
    """Run a check of what the daemon reports; a daemon of another version may report something else."""

    def check_report() -> str:
        try:
            return check()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _FailedCheckError(
                "the daemon's answer cannot be understood; check that the command and the daemon have the same version"
            ) from error

    return _run_check(part, check_report)


def _check_reported_camera(camera: dict[str, Any]) -> str:
    age_s = camera["last_frame_age_s"]
    # The limit depends on the source's rate, which the daemon knows; None means that a recording waits for its reader.
    limit_s = camera.get("frame_limit_s", _MAX_FRAME_AGE_S)
    is_recent = age_s is not None and (limit_s is None or age_s <= max(limit_s, _MAX_FRAME_AGE_S))
    if camera["state"] == CameraState.STREAMING and is_recent:
        return f"{camera['description']}; the daemon's newest frame is {age_s:.1f} s old"
    if camera["state"] == CameraState.OFF:
        return "turned off (T/running is OFF)"
    shown_s = max(limit_s or 0, _MAX_FRAME_AGE_S)
    raise _FailedCheckError(
        camera["reason"] or f"{camera['state']}: no frame in the last {shown_s:g} s; check the camera and its cable"
    )


def _check_reported_model(daemon: dict[str, Any]) -> str:
    if daemon["labeling_trouble"]:
        raise _FailedCheckError(daemon["labeling_trouble"])
    model, labels = daemon["model"], daemon["labels"]
    result = f"reports {', '.join(labels)}" if labels else "reports no label"
    # A daemon of an earlier release does not report the input.
    stated = f", {daemon['input']}" if "input" in daemon else ""
    runtime = _describe_runtime(daemon["runtime"], daemon.get("kernels"))
    warning = describe_slow_kernels(daemon.get("kernels"), daemon["runtime"])
    return f"{model['name']} {model['version']} on {runtime}{stated}; {result}{f'; {warning}' if warning else ''}"


def _describe_runtime(runtime: str, kernels: str | None) -> str:
    return f"{runtime} ({kernels})" if kernels else runtime


def _check_camera_and_model(settings: Settings) -> Iterator[CheckResult]:
    """Open the camera, capture a frame and label it; without a frame, test the model on a gray image."""
    frames: list[np.ndarray] = []
    yield _run_check("camera", lambda: _check_camera(settings, frames))
    yield _run_check("model", lambda: _check_model(settings, frames[0] if frames else None))


def _check_camera(settings: Settings, frames: list[np.ndarray]) -> str:
    """Capture a frame and append it to `frames`."""
    try:
        camera = open_camera(settings.camera, _TEST_FRAME_PX)
        try:
            limit_s = _FRAME_LIMIT_S if camera.live else _FOLDER_LIMIT_S
            until_s = time.monotonic() + limit_s
            while (pixels := camera.read()) is None:  # a slow source
                if time.monotonic() >= until_s:
                    raise _FailedCheckError(f"{camera.description}: no frame arrived within {limit_s:g} s")
        finally:
            camera.close()
    except ApplianceError:
        raise
    except Exception as error:  # camera libraries can raise any exception; the daemon would retry
        raise _FailedCheckError(
            f"the camera failed with {type(error).__name__}: {error}; check camera.source"
        ) from error
    frames.append(pixels)
    return f"{camera.description}; captured a {pixels.shape[1]}×{pixels.shape[0]} frame"


def _check_model(settings: Settings, pixels: np.ndarray | None) -> str:
    bundle = read_bundle_in_force(settings.labeler.model, settings.camera.source)
    labeler = Labeler(
        bundle,
        runtime=settings.labeler.runtime,
        threads=settings.labeler.threads,
        view=View.from_settings(settings.camera),
    )
    label_filter = LabelFilter(bundle, settings.labeler)
    width, height = _TEST_FRAME_PX
    scores = labeler.score(np.full((height, width, 3), 127, np.uint8) if pixels is None else pixels)
    labels = label_filter.select(scores)
    result = ", ".join(f"{item.label} {item.score:.2f}" for item in labels[:3]) or "no label"
    remark = "" if pixels is not None else " (no camera frame; tested on a gray image)"
    notices = InputNotices()
    notices.note(labeler)
    runtime = _describe_runtime(labeler.runtime, labeler.kernels)
    warning = describe_slow_kernels(labeler.kernels, labeler.runtime)
    model = f"{labeler.identity.name} {labeler.identity.version} on {runtime}, {notices.describe(labeler)}"
    result = f"{result}{remark}, {labeler.inference_ms:.1f} ms{f'; {warning}' if warning else ''}"
    return f"{model}; reports {result}"


def _check_broker(settings: Settings, daemon_error: str | None = None) -> str:
    """Send a message through the broker and receive it back, unless the daemon already reports an error."""
    if daemon_error:
        raise _FailedCheckError(daemon_error)
    device = resolve_device_id(settings.device.id)
    password, warning = None, None
    if settings.mqtt.username and not settings.mqtt.password_file and has_closed_credentials():
        raise _FailedCheckError(
            f"not tested, because this account may not read the password in {CREDENTIALS}; run the command with sudo"
        )
    if settings.mqtt.password_file:
        password, warning = read_secret(settings.mqtt.password_file, "mqtt.password_file")
    topics = Topics(settings.mqtt.base_topic, device)
    took_s = measure_round_trip(settings.mqtt, password, topics, f"appliance-{device}-check")
    remark = f"; {warning}" if warning else ""
    return f"{settings.mqtt.host}: round trip in {took_s * 1000:.0f} ms{remark}"


def _check_disk(daemon: dict[str, Any] | None) -> str:
    if daemon and daemon.get("state_trouble"):
        raise _FailedCheckError(daemon["state_trouble"])
    folder = find_state_dir()
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free_bytes = shutil.disk_usage(existing).free
        read_only = is_read_only(existing)
    except OSError as error:
        raise _FailedCheckError(str(error)) from error
    if read_only:
        raise _FailedCheckError(
            f"{existing} is on a read-only file system; replace a worn SD card, or mount it for writing"
        )
    message = f"{free_bytes / 1e9:.1f} GB free for {folder}"
    if free_bytes < MIN_FREE_BYTES:
        raise _FailedCheckError(f"{message}: too little space for events and models; free space on this disk")
    return message


def _check_clock() -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    if is_clock_before_build():
        raise _FailedCheckError(
            f"{now} UTC is before this program was installed; check the network connection and run timedatectl"
        )
    return f"{now} UTC"
