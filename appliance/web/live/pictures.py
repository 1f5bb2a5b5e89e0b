"""Encode the newest frame as a JPEG once for all viewers, on a thread of low priority, only while there are viewers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from appliance.imaging.files import encode_jpeg, resize_to_fit
from appliance.system.threads import lower_thread_priority
from appliance.web.device import LiveFrame

# A request is answered with the next larger of these sizes, so that viewers share pictures.
SIZES_PX = (160, 320, 480, 640, 960, 1280, 1920)
DEFAULT_PX = 640
_QUALITY = 75


def choose_size(width: int | None) -> int:
    """Return the size to encode for a wanted width in pixels."""
    wanted = DEFAULT_PX if width is None else width
    return next((size for size in SIZES_PX if size >= wanted), SIZES_PX[-1])


class FramePictures:
    """The newest frame as JPEG, in the sizes that viewers ask for. Belongs to the event loop."""

    def __init__(self, latest: Callable[[], LiveFrame | None]):
        """Set where frames come from; the thread starts with the first picture.

        Args:
            latest: Returns the newest frame.
        """
        self._latest = latest
        self._encoder = ThreadPoolExecutor(1, "web-pictures", initializer=lower_thread_priority)
        self._encoded: dict[int, tuple[int, asyncio.Future[bytes]]] = {}

    async def encode(self, size_px: int) -> tuple[int, bytes] | None:
        """Return (number, JPEG) of the newest frame; None if there is none.

        Args:
            size_px: The longest side.
        """
        frame = self._latest()
        if frame is None:
            self._encoded.clear()
            return None
        known = self._encoded.get(size_px)
        if known is None or known[0] != frame.number:

            def encode() -> bytes:
                return encode_jpeg(resize_to_fit(frame.read(), size_px), _QUALITY)

            future = asyncio.get_running_loop().run_in_executor(self._encoder, encode)
            known = self._encoded[size_px] = frame.number, future
        # Another viewer may wait for the same picture, so one that leaves must not cancel it.
        return known[0], await asyncio.shield(known[1])

    def close(self) -> None:
        """Stop the thread."""
        self._encoder.shutdown(wait=False, cancel_futures=True)
