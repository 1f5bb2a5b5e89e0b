"""Real sources for camera tests: videos written by PyAV, and servers on loopback that misbehave on request."""

import base64
import contextlib
import http.server
import io
import logging
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
import pytest
from PIL import Image

from appliance.camera.open import open_camera
from appliance.camera.source import Camera
from appliance.errors import CameraError
from appliance.settings.schema import CameraSettings
from support.paths import SHARED

DATA = SHARED
RED, GREEN, BLUE, GRAY = (230, 20, 20), (20, 200, 30), (20, 30, 220), (128, 128, 128)


PASSWORD = "p@ss:/#wd %41"


def open_source(source: Path | str, **settings: Any) -> Camera:
    """Open a camera as the daemon does for a model with 224 × 224 pixels."""
    return open_camera(CameraSettings(source=str(source), **settings), (224, 224))


def opening_error(source: Path | str, **settings: Any) -> CameraError:
    """Return the error that opening raises."""
    with pytest.raises(CameraError) as caught:
        open_source(source, **settings).close()
    return caught.value


def camera_lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log records of the camera, without those of the libraries that make the test's pictures."""
    return [record for record in caplog.records if record.name == "appliance.camera"]


def reading_error(camera: Camera, limit_s: float = 12.0) -> CameraError:
    """Read until an error and return it."""
    until_s = time.monotonic() + limit_s
    with pytest.raises(CameraError) as caught:
        while time.monotonic() < until_s:
            camera.read()
    return caught.value


def plain(color: Sequence[int], width: int = 320, height: int = 240) -> np.ndarray:
    """Return a picture of one color."""
    return np.full((height, width, 3), color, np.uint8)


def level(value: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Return a gray picture whose brightness identifies it."""
    return plain((value, value, value), width, height)


def has_color(pixels: np.ndarray, color: Sequence[int], within: int = 12) -> bool:
    """Return whether the middle of the picture has about this color."""
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(int)
    return bool(np.abs(middle - np.asarray(color)).max() <= within)


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    codec: str = "libx264",
    fps: int = 30,
    form: str | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Encode the pictures as a video file."""
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = {"mjpeg": "yuvj420p", "rawvideo": "rgb24"}.get(codec, "yuv420p")
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


def jpeg(pixels: np.ndarray) -> bytes:
    """Encode a JPEG as a camera would send it."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    with av.logging.Capture():  # PyAV 19 logs a warning about yuvj420p, which is what cameras send
        return bytes(encoder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))[0])


def png(pixels: np.ndarray, kind: str = "png") -> bytes:
    """Encode a picture in any format that Pillow writes."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def noise(seed: int = 0, width: int = 320, height: int = 240) -> np.ndarray:
    """Return a picture that compresses badly."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def eventually(condition: Callable[[], bool], limit_s: float = 5.0) -> bool:
    """Wait for a condition, up to a limit; return whether it was met."""
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.005)
    return True


def basic(name: str, password: str) -> str:
    """Return the header of Basic authentication."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class WebCamera(http.server.ThreadingHTTPServer):
    """An HTTP server; `pages` maps a path to the function that answers it, given the request's handler."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _WebHandler)
        self.pages: dict[str, Callable[[_WebHandler], None]] = {}
        self.requests: list[str] = []
        self.over = threading.Event()  # pages that stall wait for it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address) -> None:
        """Ignore clients that disconnect."""


class _WebHandler(http.server.BaseHTTPRequestHandler):
    server: WebCamera

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        page = self.server.pages.get(self.path.partition("?")[0])
        if page:
            page(self)
        else:
            self.send_error(404)

    def log_message(self, *arguments) -> None:
        pass

    def give(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_multipart(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=shot")
        self.end_headers()

    def part(self, picture: bytes) -> None:
        self.wfile.write(
            b"--shot\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(picture), picture)
        )


@contextlib.contextmanager
def web_camera() -> Iterator[WebCamera]:
    """Run a web camera for the duration of the block."""
    with WebCamera() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def video_bytes(
    pictures: Sequence[np.ndarray], codec: str, form: str, fps: int = 30, options: dict[str, str] | None = None
) -> bytes:
    """Encode a video in memory."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


@contextlib.contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[int]:
    """Run a server that completes TLS handshakes and then closes; yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(self.request, server_side=True):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def tls_camera(certificate: Path, key: Path, picture: bytes) -> Iterator[str]:
    """Run a snapshot camera with TLS; yield its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with web_camera() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.pages["/shot"] = lambda handler: handler.give(picture, "image/jpeg")
        yield f"https://localhost:{server.server_port}/shot"
