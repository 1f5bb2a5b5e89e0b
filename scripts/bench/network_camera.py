"""Measure snapshot cameras: the frames of one that answers 90 % of its requests, and the sessions that frames cost.

    scripts/bench-network-camera [--seconds N] [--fps N]

Two cameras on this machine are captured at the same time, as the daemon does: one answers each request, the other
answers one in ten, at random with a fixed seed, with 503. The ratio of their frames is printed. Then 320 frames are
taken from a camera that requires Digest and sets a cookie, and the connections, sessions and challenges are counted.
"""

import argparse
import random
import socket
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from appliance.camera.capture import Capture  # noqa: E402 - needs no path, but stays beside the next
from appliance.camera.open import open_camera  # noqa: E402
from appliance.imaging.frame_slot import FrameSlot  # noqa: E402
from appliance.settings.schema import CameraSettings  # noqa: E402
from support.digest import DigestGuard  # noqa: E402 - found through the path above
from support.streams import jpeg, noise, web_camera  # noqa: E402

PICTURE = jpeg(noise(width=640, height=480))
FRAMES = 320


class CountingSlot(FrameSlot):
    """Counts the frames that are put into it."""

    count = 0

    def put(self, frame: Any) -> None:
        """Count a frame and pass it on."""
        self.count += 1
        super().put(frame)


def give(handler: Any) -> None:
    """Answer with a picture and keep the connection."""
    handler.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handler.protocol_version, handler.close_connection = "HTTP/1.1", False
    handler.give(PICTURE, "image/jpeg")


def bench_unsteady(seconds: float, fps: float) -> None:
    """Capture a sound camera and one that fails one request in ten, at the same time."""
    chance = random.Random(1)
    frames, restarts = {}, {}
    with web_camera() as server:
        server.pages["/good"] = give
        server.pages["/unsteady"] = lambda handler: handler.send_error(503) if chance.random() < 0.1 else give(handler)
        captures = {}
        for name in ("good", "unsteady"):
            settings = CameraSettings(source=f"{server.url}/{name}", fps=fps)
            slot = CountingSlot()
            opener = partial(open_camera, settings, (224, 224))
            capture = Capture(opener, fps, slot, lambda status: None)
            thread = threading.Thread(target=capture.run, daemon=True)
            thread.start()
            captures[name] = (capture, slot, thread)
        time.sleep(seconds)
        for name, (capture, slot, thread) in captures.items():
            capture.stop()
            thread.join(10)
            frames[name], restarts[name] = slot.count, capture.status.restarts
        refused = len([path for path in server.requests if path == "/unsteady"]) - frames["unsteady"]
    print(f"sound camera: {frames['good']} frames in {seconds:g} s; one that fails one request in ten:")
    print(f"{frames['unsteady']} frames, {refused} refused requests, {restarts['unsteady']} outages")
    print(f"ratio: {frames['unsteady'] / frames['good']:.3f}")


def bench_session() -> None:
    """Take frames from a camera with a login, and count what they cost."""
    connections, cookies = set(), set()
    guard = DigestGuard("viewer", "secret", algorithm="SHA-256")

    def page(handler: Any) -> None:
        connections.add(handler.client_address)
        cookies.add(handler.headers.get("Cookie"))
        give(handler)

    protected = guard.protect(page)
    with web_camera() as server, tempfile.NamedTemporaryFile("w") as password:
        password.write("secret\n")
        password.flush()
        server.pages["/shot"] = protected
        settings = CameraSettings(
            source=f"{server.url}/shot", username="viewer", password_file=Path(password.name), fps=200
        )
        camera = open_camera(settings, (224, 224))
        for _ in range(FRAMES):
            camera.read()
        camera.close()
    print(f"{FRAMES} frames: {len(connections)} connections, {guard.challenges} challenges of the login")


def main() -> None:
    """Run both benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fps", type=float, default=5)
    arguments = parser.parse_args()
    bench_unsteady(arguments.seconds, arguments.fps)
    bench_session()


if __name__ == "__main__":
    main()
