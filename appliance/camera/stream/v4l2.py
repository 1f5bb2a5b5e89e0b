"""USB and other V4L2 cameras: what to ask the device for, and which devices there are.

What is asked for is only a wish: the driver takes the nearest size and rate that it has. Small pictures are asked
for raw, where decoding would be waste; larger ones as JPEG, because raw ones do not fit through USB 2 at more than
a few frames a second.
"""

from pathlib import Path

from appliance.settings.schema import CameraSettings

# Sizes that nearly every camera has; asked for by these names, a driver need not choose one that is too small.
COMMON_SIZES_PX = ((640, 480), (1280, 720), (1920, 1080))
LARGEST_RAW_PX = 640 * 480
LEAST_FPS = 5  # a slower rate would make the newest frame old, and tempts drivers into long exposures


def is_device(path: Path) -> bool:
    """Whether this is the path of a device rather than of a file, be it there or not."""
    return path.is_char_device() or path.parts[:2] == ("/", "dev")


def list_capture_options(settings: CameraSettings, wanted_px: tuple[int, int]) -> list[dict[str, str]]:
    """Options for libav's v4l2 input, the best first; the last one leaves everything to the device.

    Args:
        settings: `size` is asked for where it is given, and `fps` (at least LEAST_FPS).
        wanted_px: (width, height) that is enough.
    """
    enough = (size for size in COMMON_SIZES_PX if size[0] >= wanted_px[0] and size[1] >= wanted_px[1])
    width, height = settings.size or next(enough, COMMON_SIZES_PX[-1])
    plain = {"video_size": f"{width}x{height}", "framerate": f"{max(settings.fps, LEAST_FPS):g}"}
    if width * height > LARGEST_RAW_PX:
        return [{**plain, "input_format": "mjpeg"}, plain, {}]
    return [plain, {**plain, "input_format": "mjpeg"}, {}]


def describe_devices() -> str:
    """The video devices that there are, in words."""
    names = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    return "there are " + ", ".join(map(str, names)) if names else "there is no /dev/video device at all"
