"""Decode single pictures from network cameras, and refuse damaged ones.

JPEG is decoded by libav, which reports damage, while Pillow would fill what is missing with gray. All other formats,
and JPEGs with an orientation, are decoded by Pillow.
"""

import io

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from appliance.errors import PictureError
from appliance.imaging.files import MAX_PX, detect_picture_format, read_picture

STRICT_ATTEMPTS = 5
_EXIF_BYTES = 64 * 1024


class PictureDecoder:
    """Decodes pictures of one camera; not safe for use by several threads at a time.

    Attributes:
        format_name: The format of the last picture, such as JPEG; empty before the first one.
        last_error: Why the last damaged picture could not be decoded; empty if it was only incomplete.
    """

    def __init__(self, size: tuple[int, int] | None):
        """Prepare the decoder.

        Args:
            size: (width, height) to which pictures are scaled; None leaves them unchanged.
        """
        self.format_name = ""
        self.last_error = ""
        self._size = size
        self._reformatter = VideoReformatter()
        self._jpeg = _create_jpeg_decoder(strict=True)
        self._has_decoded = False
        self._failures = 0
        self._is_lenient = False

    def decode(self, content: bytes, is_complete: bool = True) -> np.ndarray | None:
        """Return the pixels, (height, width, 3) uint8 RGB, upright; None if the picture is damaged.

        A few cheap cameras never send a conforming JPEG; if the first STRICT_ATTEMPTS pictures are all damaged, damage
        is accepted from then on, because their pictures are better than none.

        Args:
            content: The bytes of a picture.
            is_complete: Whether the end of the picture was found.
        """
        pixels = self._try_to_decode(content) if is_complete or self._is_lenient else None
        if pixels is not None:
            self._has_decoded = True
            return pixels
        self._failures += 1
        if not self._is_lenient and not self._has_decoded and self._failures >= STRICT_ATTEMPTS:
            self._is_lenient = True
            self._jpeg = _create_jpeg_decoder(strict=False)
        return None

    def _try_to_decode(self, content: bytes) -> np.ndarray | None:
        self.format_name = detect_picture_format(content[:16]) or ""
        try:
            frame = self._decode_jpeg(content) if self.format_name == "JPEG" else None
            if frame is None or b"Exif\0" in content[:_EXIF_BYTES]:
                pixels = read_picture(io.BytesIO(content), "the picture")
                return pixels if self._size is None else self._convert(av.VideoFrame.from_ndarray(pixels, "rgb24"))
        except PictureError as error:
            self.last_error = str(error)
            return None
        except av.error.FFmpegError as error:
            self.last_error = f"the JPEG is damaged ({error.strerror})"
            return None
        return self._convert(frame)

    def _decode_jpeg(self, content: bytes) -> av.VideoFrame:
        frames = self._jpeg.decode(av.Packet(content))
        if not frames or (frames[-1].is_corrupt and not self._is_lenient):
            raise PictureError("the JPEG is damaged")
        return frames[-1]

    def _convert(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = self._size or (frame.width, frame.height)
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24")
        return np.array(rgb.to_ndarray())


def _create_jpeg_decoder(strict: bool) -> "av.VideoCodecContext":
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.thread_count = 1  # several threads would delay each picture, and each camera would keep them
    decoder.options = {"max_pixels": str(MAX_PX)} | ({"err_detect": "explode"} if strict else {})
    return decoder
