"""The Raspberry Pi's own camera, through picamera2; the only module that imports it.

The image processor scales and converts for nothing, so one small RGB stream is asked for, from a sensor mode that
sees the whole picture, at the rate that is needed. Each frame is copied out of the camera's buffer once, and the
buffer given back at once.

What picamera2 0.3.38 does, and what therefore holds here: every wait has an end (it would wait for ever); after a
wait that ended in vain its queue of jobs is emptied (it would wedge); a camera in trouble is closed, never stopped
(stop() hangs); the garbage collector runs after closing (it alone frees the buffers, which a Pi has few of); and
whether the camera is there and free is found out before a Picamera2 is made (one that fails never closes its pipe).
"""

import errno
import gc
import logging
import os
import re
import sys
from types import ModuleType
from typing import Any

import numpy as np

from appliance.camera.device_holder import find_device_holder
from appliance.camera.pi.controls import ControlSpec, check_controls
from appliance.camera.pi.modes import choose_full_view_mode, choose_stream_size
from appliance.camera.source import READ_LIMIT_S, Camera
from appliance.errors import CameraAbsentError, CameraBusyError, CameraError, CameraStalledError, SettingsError
from appliance.settings.schema import CameraSettings

log = logging.getLogger(__name__)

SILENCE_S = 2.0  # a running camera that is silent for so long has stalled; its first frame takes longer
# The sensor runs at the wanted rate, but not slower than this: the first pictures, from which exposure and white
# balance are found, would take too long, and long exposures blur.
SLOWEST_FPS = 5.0
# picamera2's names are those of the bytes from last to first: this one is red, green, blue in memory.
RGB = "BGR888"


def open_pi(settings: CameraSettings, wanted_px: tuple[int, int]) -> Camera:
    """Opens the Pi's camera that `settings.source` names: pi, or pi:N for the one with number N.

    Args:
        settings: The camera section; `size`, `fps` and `controls` are heeded here.
        wanted_px: (width, height) that is enough; the picture has the sensor's shape and at least these sides.

    Raises:
        CameraAbsentError: No such camera, or picamera2 is not installed or does not load.
        CameraBusyError: Another program has it, or all camera memory is in use.
        SettingsError: The source or a control makes no sense for this camera.
    """
    named = re.fullmatch(r"pi(?::(\d+))?", settings.source)
    if not named:
        raise SettingsError(
            f"camera.source = {settings.source!r}: a Pi's camera is named pi, or pi:1 for the second one"
        )
    number = int(named[1] or 0)
    picamera2, libcamera = _load()
    info = _find(picamera2, number)
    _make_sure_it_is_free(libcamera, info)
    device = picamera2.Picamera2(number)
    try:
        return PiCamera(device, settings, wanted_px, info.get("Model", "camera"))
    except Exception as error:
        _release(device)
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise CameraBusyError(
                "the Pi's camera memory (CMA) is used up: set a smaller camera.size, or give it more in config.txt"
                " (dtoverlay=vc4-kms-v3d,cma-256)"
            ) from error
        raise


class PiCamera:
    """A started picamera2 camera; see appliance.camera.Camera."""

    live = True

    def __init__(self, device: Any, settings: CameraSettings, wanted_px: tuple[int, int], model: str):
        """Configures and starts `device`, a Picamera2 that was just opened; the caller releases it on an error."""
        size_px = settings.size or choose_stream_size(wanted_px, device.sensor_resolution)
        # Reading the modes configures the camera anew for each, so this comes first. Without a Pi's sensor there are none.
        mode = choose_full_view_mode(device.sensor_modes, size_px, settings.fps)
        configuration = device.create_preview_configuration(
            main={"size": tuple(size_px), "format": RGB},
            lores=None,
            raw=None,
            buffer_count=3,
            queue=False,  # never a frame from before the question
            display=None,
            encode=None,
            sensor={"output_size": mode["size"], "bit_depth": mode["bit_depth"]} if mode else {},
        )
        device.configure(configuration)
        stream = device.camera_configuration()["main"]
        if stream["format"] != RGB:
            raise CameraAbsentError(
                f"the camera {model} gives {stream['format']} pictures; a USB camera is named /dev/video0"
            )

        controls = _checked_controls(device, settings.controls)
        rate = _rate(device, settings.fps)
        self._silence_s = SILENCE_S
        if {"FrameRate", "FrameDurationLimits"} & controls.keys():
            self._silence_s = READ_LIMIT_S  # somebody may want it slow
        elif rate:
            controls["FrameRate"] = rate
        if controls:
            device.set_controls(controls)
        device.start()

        width, height = stream["size"]
        self.description = f"{model}, {width}×{height}" + (f" at {rate:g} frames/s" if "FrameRate" in controls else "")
        if settings.size and (width, height) != tuple(settings.size):
            self.description += f", asked for {settings.size[0]}×{settings.size[1]}"
        self._device = device
        self._wait_s = READ_LIMIT_S
        self._read = 0
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that came while nobody was reading."""
        device = self._device
        if device is not None:
            self._dropped = max(self._dropped, device.frames - self._read)
        return self._dropped

    def read(self) -> np.ndarray:
        """The next frame the camera completes; see appliance.camera.Camera."""
        from picamera2 import MappedArray

        if self._device is None:
            raise CameraAbsentError("the Pi's camera was closed")
        try:
            request = self._device.capture_request(wait=self._wait_s)
        except TimeoutError:
            self._device.cancel_all_and_flush()
            raise CameraStalledError(
                "the Pi's camera is open and gives no frames; its cable or its supply may be loose"
            ) from None
        self._wait_s = self._silence_s
        self._read += 1
        try:
            with MappedArray(request, "main", write=False) as mapped:
                return mapped.array.copy()  # contiguous: without the padding at the end of each line
        finally:
            request.release()

    def close(self) -> None:
        """Gives the camera and its buffers back."""
        self._dropped = self.dropped
        device, self._device = self._device, None
        if device is not None:
            _release(device)


def _release(device: Any) -> None:
    try:
        device.cancel_all_and_flush()  # with a job waiting, closing might wait too
        device.close()
    finally:
        del device
        gc.collect()  # requests and buffers refer to each other, and only this frees them


def _load() -> tuple[ModuleType, ModuleType]:
    """The modules picamera2 and libcamera; libcamera's and picamera2's own chatter is kept to warnings."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("picamera2").setLevel(logging.WARNING)
    try:
        import libcamera
        import picamera2
    except ModuleNotFoundError as error:
        raise CameraAbsentError(
            f"the Pi's camera needs the Python module {error.name}, which {sys.executable} does not see: sudo apt install"
            " python3-picamera2 --no-install-recommends, and make the virtual environment with --system-site-packages"
        ) from error
    except (ImportError, ValueError, AttributeError) as error:
        if "numpy" in str(error).lower() or "_ARRAY_API" in str(error):
            raise CameraAbsentError(
                f"picamera2 cannot be loaded: it was built for another numpy than {np.__version__} in"
                f" {os.path.dirname(np.__file__)} ({error}); take a numpy that suits it:"
                f" {sys.executable} -m pip install 'numpy<2', or pip uninstall numpy where apt's is seen"
            ) from error
        raise CameraAbsentError(
            f"picamera2 cannot be loaded: {error}; sudo apt full-upgrade brings its parts in step"
        ) from error
    return picamera2, libcamera


def _find(picamera2: ModuleType, number: int) -> dict[str, Any]:
    """What is known of camera `number`; USB cameras, which picamera2 lists last, are left to the other module."""
    cameras = [info for info in picamera2.Picamera2.global_camera_info() if "/usb" not in info["Id"]]
    if not cameras:
        raise CameraAbsentError(
            "no Pi camera is found: check its ribbon cable (power off first), what rpicam-hello --list-cameras says, and that"
            ' this user is in the group video; a USB camera is named by camera.source = "/dev/video0"'
        )
    if number >= len(cameras):
        there = ", ".join(f"pi:{place} ({info.get('Model', 'unknown')})" for place, info in enumerate(cameras))
        raise CameraAbsentError(f"there is no Pi camera with number {number}; there is {there}")
    return cameras[number]


def _make_sure_it_is_free(libcamera: ModuleType, info: dict[str, Any]) -> None:
    cameras = libcamera.CameraManager.singleton().cameras
    camera = next((each for each in cameras if each.id == info["Id"]), None)
    if camera is None:
        raise CameraAbsentError(f"the Pi's camera {info.get('Model', info['Id'])} went away")
    try:
        camera.acquire()
        camera.release()
    except RuntimeError as error:
        if "busy" not in str(error).lower():
            raise CameraError(f"the Pi's camera cannot be taken: {error}") from error
        holder = find_device_holder("/dev/media*") or "another program"
        raise CameraBusyError(
            f"the Pi's camera is in use by {holder}; stop that, one program at a time can have it"
        ) from error


def _rate(device: Any, fps: float) -> float | None:
    """The rate to run the sensor at, within what it can do; None where it cannot be chosen."""
    shortest_us, longest_us, _ = device.camera_controls.get("FrameDurationLimits", (0, 0, 0))
    if not shortest_us or not longest_us:
        return None
    return round(min(max(fps, SLOWEST_FPS, 1e6 / longest_us), 1e6 / shortest_us), 3)


def _checked_controls(device: Any, controls: dict[str, Any]) -> dict[str, Any]:
    if not controls:
        return {}
    limits = device.camera_controls
    kinds = {}
    for name, (control, _) in device.camera_ctrl_info.items():
        count = (
            0 if not control.isArray else control.size if control.size < 1000 else -1
        )  # libcamera's "any" is 2⁶⁴ − 1
        kinds[name] = ControlSpec(control.type.name, count, *limits[name][:2])
    if "FrameDurationLimits" in limits:  # picamera2's own name for it
        shortest_us, longest_us, _ = limits["FrameDurationLimits"]
        kinds["FrameRate"] = ControlSpec("Float", 0, 1e6 / max(longest_us, 1), 1e6 / max(shortest_us, 1))
    checked = check_controls(controls, kinds)
    if checked.get("FrameRate") == 0:
        raise SettingsError("camera.controls.FrameRate must be more than 0")
    return checked
