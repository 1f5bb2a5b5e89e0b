"""USB and other V4L2 cameras: which options to request from a device, and which devices exist.

A request is not binding: the driver chooses the nearest size and rate that it supports. Small pictures are requested
raw, because compressing them would be wasteful. Larger ones are requested as JPEG, because over USB 2 raw ones would
arrive at only a few frames per second.
"""

from pathlib import Path

from appliance.settings.schema import CameraSettings

# Sizes that nearly every camera supports; requesting one of them keeps the driver from choosing a smaller size.
COMMON_SIZES_PX = ((640, 480), (1280, 720), (1920, 1080))
MAX_RAW_PX = 640 * 480
MIN_FPS = 5  # at a lower rate, the newest frame would be old, and drivers could choose long exposures


def is_device(path: Path) -> bool:
    """Return whether this is the path of a device rather than a file; it need not exist."""
    return path.is_char_device() or path.parts[:2] == ("/", "dev")


def list_capture_options(settings: CameraSettings, wanted_px: tuple[int, int]) -> list[dict[str, str]]:
    """Return options for libav's v4l2 input, best first; the last one leaves every choice to the device.

    Args:
        settings: The camera section: `size` if set, and `fps` (at least MIN_FPS).
        wanted_px: (width, height) that is sufficient.
    """
    sufficient = (size for size in COMMON_SIZES_PX if size[0] >= wanted_px[0] and size[1] >= wanted_px[1])
    width, height = settings.size or next(sufficient, COMMON_SIZES_PX[-1])
    plain = {"video_size": f"{width}x{height}", "framerate": f"{max(settings.fps, MIN_FPS):g}"}
    if width * height > MAX_RAW_PX:
        return [{**plain, "input_format": "mjpeg"}, plain, {}]
    return [plain, {**plain, "input_format": "mjpeg"}, {}]


def describe_devices() -> str:
    """Return a phrase that lists the video devices of this machine."""
    names = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    return "available: " + ", ".join(map(str, names)) if names else "this machine has no /dev/video device"
