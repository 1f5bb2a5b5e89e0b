"""The Raspberry Pi camera, through picamera2; only this module imports it.

The Pi's image processor scales and converts at no cost, so one small RGB stream is requested, from a sensor mode that
covers the whole view, at the required rate. Each frame is copied out of the camera's buffer once, and the buffer is
released immediately.

picamera2 0.3.38 requires the following. Every wait has a timeout (the default is to wait forever). After a timeout, the
queue of jobs is cleared (otherwise the camera gets stuck). A failed camera is closed, never stopped (stop() hangs). The
garbage collector runs after closing (only it frees the buffers, which are scarce on a Pi). Before a Picamera2 is
created, the camera is checked to be present and free (a Picamera2 whose creation fails never closes its pipe).
"""

import errno
import gc
import logging
import os
import re
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from appliance.camera.device_holder import find_device_holder
from appliance.camera.pi.controls import ControlSpec, check_controls, find_longest_silence_s
from appliance.camera.pi.modes import choose_full_view_mode, choose_stream_size
from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError, CameraStalledError, SettingsError
from appliance.settings.schema import CameraSettings

log = logging.getLogger("appliance.camera")

SILENCE_S = 2.0  # a running camera without a frame for this time has stalled; the first frame may take longer
# The sensor runs at the configured rate, but no slower than this: the first pictures, which determine exposure and
# white balance, would take too long, and long exposures blur.
MIN_SENSOR_FPS = 5.0
# picamera2 names formats by their bytes in reverse order, so this one is red, green, blue in memory.
RGB = "BGR888"


def open_pi(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Open the Pi camera in `settings.source`: pi, or pi:N for camera number N.

    Args:
        settings: The camera section; `size`, `fps` and `controls` apply here.
        wanted_px: (width, height) that is sufficient; the picture has the sensor's aspect ratio and at least these
            sides.

    Raises:
        CameraAbsentError: There is no such camera, or picamera2 is not installed or does not load.
        CameraBusyError: Another program is using the camera, or all camera memory is in use.
        SettingsError: The source or a control is invalid for this camera.
    """
    match = re.fullmatch(r"pi(?::(\d+))?", settings.source)
    if not match:
        raise SettingsError(
            f"camera.source = {settings.source!r}: a Pi camera is named pi, or pi:1 for the second camera"
        )
    number = int(match[1] or 0)
    picamera2, libcamera = _load_modules()
    info = _find_camera(picamera2, number)
    _check_free(libcamera, info)
    device = picamera2.Picamera2(number)
    try:
        return PiCamera(device, settings, wanted_px, info.get("Model", "camera"))
    except Exception as error:
        _release(device)
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise CameraBusyError(
                "the Pi's camera memory (CMA) is used up; set a smaller camera.size, or increase it in config.txt"
                " (dtoverlay=vc4-kms-v3d,cma-256)"
            ) from error
        raise


class PiCamera:
    """A started picamera2 camera; implements appliance.camera.Camera."""

    live = True
    damaged = 0

    def __init__(self, device: Any, settings: CameraSettings, wanted_px: tuple[int, int], model: str):
        """Configure and start the camera.

        Args:
            device: A Picamera2 that was just opened; if this raises, the caller releases it.
            settings: The camera section.
            wanted_px: (width, height) that is sufficient.
            model: Name of the camera, for display.

        Raises:
            CameraAbsentError: The camera delivers no RGB pictures.
            SettingsError: A control is invalid for this camera.
        """
        width, height = _configure(device, settings, wanted_px, model)
        controls = _check_controls(device, settings.controls)
        fps = _choose_rate(device, settings.fps)
        self._silence_s = SILENCE_S
        if {"FrameRate", "FrameDurationLimits", "ExposureTime"} & controls.keys():
            self._silence_s = max(READ_LIMIT_S, find_longest_silence_s(controls))  # a slow rate may be intended
        if fps and not {"FrameRate", "FrameDurationLimits"} & controls.keys():
            controls["FrameRate"] = fps
        if controls:
            device.set_controls(controls)
        device.start()
        rate = f" at {fps:g} frames/s" if "FrameRate" in controls else ""
        self.description = f"{model}, {width}×{height}{rate}"
        if settings.size and (width, height) != tuple(settings.size):
            self.description += f", requested {settings.size[0]}×{settings.size[1]}"
        self._device = device
        self._wait_s = READ_LIMIT_S
        self._last_s = time.monotonic()  # of the last frame, or of the start
        self._read_frames = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Number of frames that arrived without being read."""
        device = self._device
        if device is not None:
            self._dropped = max(self._dropped, device.frames - self._read_frames)
        return self._dropped

    def read(self) -> np.ndarray | None:
        """Return the next frame that the camera completes; see Camera.read()."""
        from picamera2 import MappedArray

        if self._device is None:
            raise CameraAbsentError("the Pi camera was closed")
        try:
            request = self._device.capture_request(wait=self._wait_s)
        except TimeoutError:
            self._device.cancel_all_and_flush()
            if time.monotonic() - self._last_s < self._silence_s:
                return None
            raise CameraStalledError(
                "the Pi camera is open but delivers no frames; check its cable and power supply"
            ) from None
        self._wait_s = min(self._silence_s, READ_LIMIT_S)
        self._last_s = time.monotonic()
        self._read_frames += 1
        try:
            with MappedArray(request, "main", write=False) as mapped:
                pixels: np.ndarray = mapped.array.copy()  # contiguous: without the padding at the end of each line
                return pixels
        finally:
            request.release()

    def close(self) -> None:
        """Release the camera and its buffers; see Camera.close()."""
        self._dropped = self.dropped
        device, self._device = self._device, None
        if device is not None:
            _release(device)


def _configure(device: Any, settings: CameraSettings, wanted_px: tuple[int, int], model: str) -> tuple[int, int]:
    """Configure one RGB stream and return its actual (width, height)."""
    size_px = settings.size or choose_stream_size(wanted_px, device.sensor_resolution)
    # Reading the modes reconfigures the camera for each of them, so this must come first. Sensors other than a Pi's
    # have no modes.
    mode = choose_full_view_mode(device.sensor_modes, size_px, settings.fps)
    configuration = device.create_preview_configuration(
        main={"size": tuple(size_px), "format": RGB},
        lores=None,
        raw=None,
        buffer_count=3,
        queue=False,  # never return a frame from before the request
        display=None,
        encode=None,
        sensor={"output_size": mode["size"], "bit_depth": mode["bit_depth"]} if mode else {},
    )
    device.configure(configuration)
    stream = device.camera_configuration()["main"]
    if stream["format"] != RGB:
        raise CameraAbsentError(
            f"the camera {model} delivers {stream['format']} pictures, not RGB; for a USB camera, set"
            ' camera.source = "/dev/video0"'
        )
    width, height = stream["size"]
    return width, height


def _release(device: Any) -> None:
    try:
        device.cancel_all_and_flush()  # otherwise closing might wait for a pending job
        device.close()
    finally:
        del device
        gc.collect()  # requests and buffers form reference cycles


def _load_modules() -> tuple[ModuleType, ModuleType]:
    """Import picamera2 and libcamera, and limit their own log output to warnings."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        import libcamera
        import picamera2
    except ModuleNotFoundError as error:
        raise CameraAbsentError(
            f"the Pi camera needs the Python module {error.name}, which {sys.executable} cannot import;"
            " run sudo apt install python3-picamera2 --no-install-recommends, and create the virtual environment with"
            " --system-site-packages"
        ) from error
    except (ImportError, ValueError, AttributeError) as error:
        if "numpy" in str(error).lower() or "_ARRAY_API" in str(error):
            raise CameraAbsentError(
                f"picamera2 cannot be loaded: it was built for a different numpy than {np.__version__} in"
                f" {Path(np.__file__).parent} ({error}); install a compatible numpy:"
                f" {sys.executable} -m pip install 'numpy<2', or pip uninstall numpy if apt's numpy is visible"
            ) from error
        raise CameraAbsentError(
            f"picamera2 cannot be loaded: {error}; install matching versions with: sudo apt full-upgrade"
        ) from error
    return picamera2, libcamera


def _find_camera(picamera2: ModuleType, number: int) -> dict[str, Any]:
    """Return picamera2's entry for camera `number`; USB cameras, which are listed last, are ignored."""
    cameras: list[dict[str, Any]] = [
        info for info in picamera2.Picamera2.global_camera_info() if "/usb" not in info["Id"]
    ]
    if not cameras:
        raise CameraAbsentError(
            "no Pi camera was found; check its ribbon cable (power off first), the output of"
            " rpicam-hello --list-cameras,"
            ' and that this user is in the group video; for a USB camera, set camera.source = "/dev/video0"'
        )
    if number >= len(cameras):
        present = ", ".join(f"pi:{index} ({info.get('Model', 'unknown')})" for index, info in enumerate(cameras))
        raise CameraAbsentError(f"there is no Pi camera number {number}; connected: {present}")
    return cameras[number]


def _check_free(libcamera: ModuleType, info: dict[str, Any]) -> None:
    cameras = libcamera.CameraManager.singleton().cameras
    camera = next((each for each in cameras if each.id == info["Id"]), None)
    if camera is None:
        raise CameraAbsentError(f"the Pi camera {info.get('Model', info['Id'])} disappeared; check its cable")
    try:
        camera.acquire()
        camera.release()
    except RuntimeError as error:
        if "busy" not in str(error).lower():
            raise CameraError(f"the Pi camera cannot be acquired: {error}") from error
        holder = find_device_holder("/dev/media*") or "another program"
        raise CameraBusyError(
            f"the Pi camera is in use by {holder}; stop it, because only one program can use the camera at a time"
        ) from error


def _choose_rate(device: Any, fps: float) -> float | None:
    """Return the sensor's frame rate within its limits; None if the rate cannot be set."""
    shortest_us, longest_us, _ = device.camera_controls.get("FrameDurationLimits", (0, 0, 0))
    if not shortest_us or not longest_us:
        return None
    return round(float(min(max(fps, MIN_SENSOR_FPS, 1e6 / longest_us), 1e6 / shortest_us)), 3)


def _check_controls(device: Any, controls: dict[str, Any]) -> dict[str, Any]:
    if not controls:
        return {}
    limits = device.camera_controls
    specs = {}
    for name, (control, _) in device.camera_ctrl_info.items():
        count = 0
        if control.isArray:
            count = control.size if control.size < 1000 else -1  # libcamera represents "any length" as 2⁶⁴ − 1
        specs[name] = ControlSpec(control.type.name, count, *limits[name][:2])
    if "FrameDurationLimits" in limits:  # picamera2 adds the control FrameRate for it
        shortest_us, longest_us, _ = limits["FrameDurationLimits"]
        specs["FrameRate"] = ControlSpec("Float", 0, 1e6 / max(longest_us, 1), 1e6 / max(shortest_us, 1))
    converted = check_controls(controls, specs)
    if converted.get("FrameRate") == 0:
        raise SettingsError("camera.controls.FrameRate must be more than 0")
    return converted
