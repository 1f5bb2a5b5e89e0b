"""A live playlist (HLS) on a web camera."""

import io
import time
from fractions import Fraction

import av

from support.streams import WebCamera, level

FPS = 20


def serve_live_playlist(server: WebCamera, path: str, segment_s: int) -> None:
    """Add pages that offer a live stream in segments; three are available at the beginning."""
    began_s = time.monotonic()

    def playlist(handler) -> None:
        count = int((time.monotonic() - began_s) // segment_s) + 3
        first = max(0, count - 5)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{segment_s}", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, count):
            lines += [f"#EXTINF:{segment_s}.0,", f"segment{number}.ts"]
            if f"/segment{number}.ts" not in server.pages:
                content = _encode_segment(number, segment_s)
                server.pages[f"/segment{number}.ts"] = lambda page, body=content: page.give(body, "video/mp2t")
        handler.give("\n".join([*lines, ""]).encode(), "application/vnd.apple.mpegurl")

    server.pages[path] = playlist


def _encode_segment(number: int, segment_s: int) -> bytes:
    buffer, count = io.BytesIO(), FPS * segment_s
    with av.open(buffer, "w", format="mpegts") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"tune": "zerolatency", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(number * count, (number + 1) * count):
            frame = av.VideoFrame.from_ndarray(level(20 + index % 200), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return buffer.getvalue()
