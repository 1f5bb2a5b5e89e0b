"""Measure network cameras: what closed cameras leave behind, and the cost of a low frame rate.

    scripts/bench-camera reopen [--cycles N]
    scripts/bench-camera rates [--seconds N]

`reopen` opens an RTSP camera on this machine N times, has its connection cut each time, and closes it, with Python's
garbage collector turned off. It prints resident memory, threads and descriptors at the beginning and at the end.
`rates` reads an H.264 stream (1280 × 720, 2 Mbit/s, 25 frames/s, a key frame every 2 s) at 5 and at 0.2 frames/s, one
after the other, and prints the CPU time of each per second and their ratio. The camera runs in a process of its own.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from appliance.camera.open import open_camera  # noqa: E402 - needs no path, but stays beside the next
from appliance.camera.source import Camera  # noqa: E402
from appliance.errors import CameraError  # noqa: E402
from appliance.settings.schema import CameraSettings  # noqa: E402
from support.rtsp import rtsp_camera  # noqa: E402 - found through the path above

WARM_UP_CYCLES = 50


def make_scene(width: int, height: int) -> Callable[[int], np.ndarray]:
    """Return a function of the frame's number that returns a picture of a textured scene that moves slowly."""
    coarse = np.random.default_rng(1).integers(40, 220, (height // 80 + 1, width // 40 + 1, 3), dtype=np.uint8)
    scene = np.ascontiguousarray(coarse.repeat(80, 0).repeat(80, 1)[:height])
    return lambda number: scene[:, number % width : number % width + width]


def serve(pipe: Connection, size: tuple[int, int], fps: int, key_every: int) -> None:
    """Run an RTSP camera; send its address, and cut its connections for each message until None arrives."""
    with rtsp_camera(size=size, fps=fps, key_every=key_every, picture=make_scene(*size), bit_rate=2_000_000) as server:
        pipe.send(server.url)
        while pipe.recv() is not None:
            server.drop()
            pipe.send(True)


@contextmanager
def run_camera(size: tuple[int, int], fps: int, key_every: int):  # type: ignore[no-untyped-def]
    """Run an RTSP camera in another process; yield its address and a function that cuts its connections."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(theirs, size, fps, key_every), daemon=True
    )
    process.start()

    def cut() -> None:
        ours.send("cut")
        ours.recv()

    try:
        yield ours.recv(), cut
    finally:
        ours.send(None)
        process.join(10)


def open_url(url: str, fps: float) -> Camera:
    """Open the camera as the daemon does for a model with 224 × 224 pixels."""
    return open_camera(CameraSettings(source=url, fps=fps), (224, 224))


def read_resources() -> tuple[float, int, int]:
    """Return resident memory in MB, threads and open descriptors of this process."""
    status = Path("/proc/self/status").read_text()
    rss_kb = int(status.split("VmRSS:")[1].split()[0])
    return rss_kb / 1024, len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def bench_reopening(cycles: int) -> None:
    """Open, cut and close a camera again and again without the garbage collector."""
    gc.collect()
    gc.disable()
    errors: list[CameraError] = []  # the last one is kept, as the capture thread keeps its state
    with run_camera((320, 240), 20, 10) as (url, cut):
        for cycle in range(1, WARM_UP_CYCLES + cycles + 1):
            camera = open_url(url, 30)
            camera.read()
            cut()
            try:
                while True:
                    camera.read()
            except CameraError as error:
                errors[:] = [error]
            camera.close()
            if cycle in (WARM_UP_CYCLES, WARM_UP_CYCLES + cycles // 2, WARM_UP_CYCLES + cycles):
                rss_mb, threads, descriptors = read_resources()
                print(
                    f"after {cycle - WARM_UP_CYCLES:>5} cycles: {rss_mb:6.1f} MB resident, {threads} threads,"
                    f" {descriptors} descriptors",
                    flush=True,
                )


def bench_rates(seconds: float) -> None:
    """Measure the CPU time of reading a stream at two rates."""
    costs = {}
    with run_camera((1280, 720), 25, 50) as (url, _):
        for fps in (5.0, 0.2):
            camera = open_url(url, fps)
            began_s, began_cpu_s = time.monotonic(), time.process_time()
            due_s, frames = began_s, 0
            while time.monotonic() - began_s < seconds:
                time.sleep(max(0.0, due_s - time.monotonic()))
                frames += camera.read() is not None
                due_s = max(due_s + 1 / fps, time.monotonic())
            took_s = time.monotonic() - began_s
            costs[fps] = (time.process_time() - began_cpu_s) / took_s
            camera.close()
            print(
                f"{fps:>4} frames/s: {frames} frames in {took_s:.0f} s ({camera.damaged} damaged),"
                f" {1000 * costs[fps]:.1f} ms of CPU per second"
            )
    print(f"0.2 / 5 frames/s: {costs[0.2] / costs[5.0]:.3f}")


def main() -> None:
    """Run the benchmark that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["reopen", "rates"])
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    if arguments.what == "reopen":
        bench_reopening(arguments.cycles)
    else:
        bench_rates(arguments.seconds)


if __name__ == "__main__":
    main()
