"""A network camera that shows drawn things: a test decides what is held before it, and no two pictures are alike."""

import contextlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from appliance.camera.scene.scenery import draw_background, draw_distractor
from appliance.camera.scene.sprites import paste

_SIZE_PX = (400, 300)
_GRAINS = 8


class DrawnThings:
    """Serves a picture at `url`; `thing` is one of scenery.DISTRACTORS, or "" for an empty place."""

    def __init__(self, seed: int = 1):
        self.thing = ""
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._background, self._light = draw_background(np.random.default_rng(seed), _SIZE_PX)
        shape = self._background.shape
        self._grains = [self._rng.integers(-4, 5, shape, dtype=np.int16) for _ in range(_GRAINS)]
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/shot.jpg"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Switch the camera off."""
        self._server.shutdown()
        self._server.server_close()

    def draw(self) -> bytes:
        """Return a JPEG of the thing, in a pose and at a distance of its own, as if a hand turned it."""
        with self._lock:
            rng, thing = self._rng, self.thing
            frame = self._background.copy()
            if thing:
                radius = int(rng.integers(45, 95))
                sprite = draw_distractor(thing, rng, radius, self._light)
                x = int(rng.integers(radius, _SIZE_PX[0] - radius))
                y = int(rng.integers(radius, _SIZE_PX[1] - radius))
                paste(frame, sprite, x, y)
            frame = np.clip(frame + self._grains[int(rng.integers(_GRAINS))], 0, 255).astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(frame).save(out, "JPEG", quality=88)
        return out.getvalue()


class _Handler(BaseHTTPRequestHandler):
    owner: DrawnThings

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        body = self.owner.draw()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the daemon stopped waiting
            self.wfile.write(body)
