"""Measure the update figures in the manual: scripts/bench-updates FIGURE [--count N]

    swaps   hot swaps while drawn scenes are labeled at 20 frames per second: intervals between frames, lost events
    check   a check of the url source that finds nothing new: requests, and bytes received
    time    the times from a message on T/model/check to `swapped` and to `committed` on T/update

T is the device's topic prefix. The models are published models from the data of the tests (APPLIANCE_TEST_DATA): the
AutoML export and, for `time`, a model of 3.6 MB. A real mosquitto and a web server run on 127.0.0.1. Every figure is
measured on the whole appliance, as `appliance run` builds it.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.daemon.engine import Engine
from appliance.daemon.results import FrameResult, ResultListener
from appliance.daemon.service import Service
from appliance.settings.schema import (
    CameraSettings,
    DeviceSettings,
    EventSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
)
from appliance.system.shipped import find_shipped
from appliance.updates.store.store import Store
from support.broker import Broker, Observer, wait_until
from support.model_server import ModelServer

ROOT = Path(__file__).resolve().parents[2]
FLOWERS = find_shipped("flowers")
FPS = 20
AUTOML, LARGER = "automl_mlkit_android", "mobilenet_v2_1.0_224_inat_bird_quant.tflite"
AROUND_S = 0.5


class Recorder(ResultListener):
    """Record when frames were labeled and when the engine changed, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.frames_s: list[float] = []
        self.swaps_s: list[float] = []

    def on_frame(self, result: FrameResult) -> None:
        self.frames_s.append(time.monotonic())

    def on_engine_changed(self, engine: Engine) -> None:
        self.swaps_s.append(time.monotonic())


class Bench:
    """An appliance with drawn scenes, a broker, and a web server that offers the model under any version."""

    def __init__(self, folder: Path, broker: Broker, server: ModelServer, seen: Observer, model: str, **update: Any):
        self.folder, self.server, self.seen = folder, server, seen
        self.bundle = read_published(model, folder / "model")
        defaults: dict[str, Any] = {
            "source": "url",
            "url": server.url("/manifest.json"),
            "interval_s": 0.0,
            "probation_s": 0.0,
        }
        settings = Settings(
            device=DeviceSettings(id="t"),
            camera=CameraSettings(source="scene", fps=FPS),
            events=EventSettings(start_frames=1, end_after_s=0.2, cooldown_s=0),
            mqtt=MqttSettings(host="127.0.0.1", port=broker.port),
            update=UpdateSettings(**(defaults | update)),
        )
        (folder / "state").mkdir()
        self.publish("1.0")
        Store(folder / "state", FLOWERS).install(self.with_version("1.0"), "the benchmark")
        self.service = Service(settings, folder / "state", folder)
        self.recorder = Recorder()
        self.service.parts.results.register(self.recorder)

    @property
    def updater(self) -> Any:
        return self.service.parts.updater

    def with_version(self, version: str) -> Bundle:
        """Return the model under another version."""
        identity = replace(self.bundle.identity, name="bench", version=version)
        return replace(self.bundle, identity=identity, confidence_threshold=0.2)

    def publish(self, version: str) -> None:
        """Offer a version, whose manifest contains the hashes of its files."""
        folder = self.folder / version
        write_bundle(self.with_version(version), folder)
        self.server.put_folder(folder)

    def steps(self, state: str) -> list[dict[str, Any]]:
        """Return the steps with this state that a subscriber has received."""
        received = [json.loads(payload) for payload in self.seen.payloads("appliance/t/update")]
        return [step for step in received if step["state"] == state]

    def wait_for_steps(self, state: str, count: int) -> None:
        """Wait until a subscriber has received this many steps with this state."""
        wait_until(lambda: len(self.steps(state)) >= count, f"{count} × {state}, not {self.steps('failed')}", 60)


def read_published(model: str, folder: Path) -> Bundle:
    """Read a bundle from the data of the tests; create it in `folder` if the data has only a .tflite file."""
    models = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data/models"
    if (models / model).is_dir():
        return read_bundle(models / model)
    folder.mkdir()
    shutil.copy(models / model, folder / "model.tflite")
    shutil.copy(models / "inat_bird_labels.txt", folder / "labels.txt")
    return read_bundle(folder)


@contextmanager
def run_bench(model: str = AUTOML, **update: Any) -> Iterator[Bench]:
    """Run an appliance while the context is open."""
    with tempfile.TemporaryDirectory() as name, ModelServer() as server:
        folder = Path(name)
        broker = Broker(folder / "broker")
        try:
            with broker.observer("appliance/#") as seen:
                bench = Bench(folder, broker, server, seen, model, **update)
                bench.service.start()
                supervising = threading.Thread(target=bench.service.supervise, daemon=True)
                supervising.start()
                try:
                    wait_until(lambda: len(bench.recorder.frames_s) > 2 * FPS, "frames", 60)
                    wait_until(lambda: bench.service.parts.publisher.connected, "a broker", 60)
                    yield bench
                finally:
                    bench.service.request_stop()
                    supervising.join(30)
                    bench.service.stop()
        finally:
            broker.kill()


def measure_swaps(count: int) -> None:
    """Print the longest interval between labeled frames near a swap, and compare it with the median interval there."""
    with run_bench() as bench:
        bench.recorder.swaps_s.clear()
        for index in range(1, count + 1):
            bench.publish(f"{index + 1}.0")
            bench.updater.check()
            bench.wait_for_steps("committed", index)
        time.sleep(2 * AROUND_S)
        frames_s, swaps_s, seen = list(bench.recorder.frames_s), list(bench.recorder.swaps_s), bench.seen
    ratios, longest_ms, medians_ms = [], [], []
    for swap_s in swaps_s:
        intervals_ms = to_intervals_ms([frame_s for frame_s in frames_s if abs(frame_s - swap_s) <= AROUND_S])
        medians_ms.append(statistics.median(intervals_ms))
        longest_ms.append(max(intervals_ms))
        ratios.append(max(intervals_ms) / statistics.median(intervals_ms))
    print(f"{len(swaps_s)} swaps at {FPS} frames per second, {len(frames_s)} frames")
    print(f"interval between frames within {AROUND_S:g} s of a swap: median {statistics.median(medians_ms):.1f} ms,")
    print(f"  longest {max(longest_ms):.1f} ms; at most {max(ratios):.2f} times the median near the same swap")
    print(f"  swaps with an interval over twice the median: {sum(ratio > 2 for ratio in ratios)}")
    all_ms = to_intervals_ms(frames_s)
    long = sum(interval_ms > 2 * statistics.median(all_ms) for interval_ms in all_ms)
    print("whole run, downloads and probes included:")
    print(f"  longest {max(all_ms):.1f} ms; {long} of {len(all_ms)} intervals over twice the median")
    print_lost_events([json.loads(payload) for payload in seen.payloads("appliance/t/event")])


def to_intervals_ms(times_s: list[float]) -> list[float]:
    """Return the intervals between consecutive times."""
    return [(after - before) * 1000 for before, after in pairwise(times_s)]


def print_lost_events(events: list[dict[str, Any]]) -> None:
    """Print how many events arrived, how many were lost (according to `seq`), and how many never ended."""
    seqs = {event["seq"] for event in events}
    lost = len(set(range(1, max(seqs) + 1)) - seqs)
    started, ended = ({event["id"] for event in events if event["type"] == kind} for kind in ("started", "ended"))
    print(
        f"{len(events)} events arrived from the broker; lost: {lost}; started but never ended: {len(started ^ ended)}"
    )


def _has_more(requests: Sized, count: int) -> bool:
    return len(requests) > count


def measure_check(_: int) -> None:
    """Print the cost of a check that finds nothing new, with and without hashes in the manifest."""
    for hashes in (True, False):
        with run_bench() as bench:
            bench.publish("2.0")
            if not hashes:
                manifest = json.loads(bench.server.files["/manifest.json"].body)
                manifest.pop("sha256")
                bench.server.put("/manifest.json", json.dumps(manifest).encode())
            bench.updater.check().result(60)
            bench.wait_for_steps("committed", 1)
            answer = bench.updater.check().result(60)
            before = len(bench.server.requests)
            bench.updater.set_interval(1.0)  # a check on command asks unconditionally
            wait_until(partial(_has_more, bench.server.requests, before), "a check in time")
            bench.updater.set_interval(0.0)
            time.sleep(0.5)  # the rest of its requests
            requests = bench.server.requests[before:]
            received = sum(request.sent for request in requests)
            statuses = sorted({request.status for request in requests})
            kind = "with hashes in the manifest" if hashes else "a plain AutoML export"
            print(f"{kind}: {len(requests)} requests, {received} bytes received, statuses {statuses}")
            if not answer["current"]:
                raise SystemExit("the measurement is invalid, because the check found a newer model; try again")


def measure_time(count: int) -> None:
    """Print the times from the command on T/model/check until a subscriber receives the steps on T/update."""
    swapped_s, committed_s = [], []
    with run_bench(LARGER, probation_s=3.0) as bench:
        size = bench.bundle.model_file.stat().st_size
        for index in range(1, count + 1):
            bench.publish(f"{index + 1}.0")
            begin_s = time.monotonic()
            bench.seen.publish("appliance/t/model/check", "")
            bench.wait_for_steps("swapped", index)
            swapped_s.append(time.monotonic() - begin_s)
            bench.wait_for_steps("committed", index)
            committed_s.append(time.monotonic() - begin_s)
    median_s, longest_s = statistics.median(swapped_s), max(swapped_s)
    print(f"T/model/check → swapped, {size / 1e6:.1f} MB on loopback, {count} times:")
    print(f"  median {median_s:.2f} s, longest {longest_s:.2f} s")
    print(f"→ committed with a probation of 3 s: median {statistics.median(committed_s):.2f} s")


def main() -> None:
    """Parse the arguments and measure."""
    figures = {"swaps": (measure_swaps, 50), "check": (measure_check, 1), "time": (measure_time, 10)}
    parser = argparse.ArgumentParser(prog="scripts/bench-updates", description=__doc__.splitlines()[0])
    parser.add_argument("figure", choices=figures)
    parser.add_argument("--count", type=int, help="how many updates (default: 50 swaps, 10 times)")
    arguments = parser.parse_args()
    measure, default_count = figures[arguments.figure]
    measure(arguments.count or default_count)


if __name__ == "__main__":
    main()
