"""Measures what the README says of updates: scripts/bench-updates FIGURE

    swaps   50 hot swaps while drawn scenes are labeled at 20 frames a second: intervals between frames, events lost
    check   a check of the url source that finds nothing: requests, and bytes received
    time    from T/model/check to `swapped` on T/update, and to `committed`

The models are the published ones of the tests' data (APPLIANCE_TEST_DATA): the AutoML export, and for `time` one of
3.6 MB. A real mosquitto and a web server run on 127.0.0.1. Every figure is of the whole appliance as `appliance run`
builds it. Runs in the project's environment.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.daemon.active_model import BUNDLED
from appliance.daemon.service import Service
from appliance.settings.schema import (
    CameraSettings,
    DeviceSettings,
    EventSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
)
from appliance.updates.store.store import Store
from support.broker import Broker, Observer, wait_until
from support.model_server import ModelServer

ROOT = Path(__file__).resolve().parents[2]

FPS = 20
AUTOML, LARGER = "automl_mlkit_android", "mobilenet_v2_1.0_224_inat_bird_quant.tflite"
AROUND_S = 0.5


class Bench:
    """An appliance on scenes, a broker, and a web server with the model in any version."""

    def __init__(self, folder: Path, broker: Broker, server: ModelServer, seen: Observer, model: str, **update):
        self.folder, self.server, self.seen = folder, server, seen
        shared = Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared"))
        source = folder / "model"
        source.mkdir()
        if (shared / "data/models" / model).is_dir():
            self.bundle = read_bundle(shared / "data/models" / model)
        else:
            shutil.copy(shared / "data/models" / model, source / "model.tflite")
            shutil.copy(shared / "data/models/inat_bird_labels.txt", source / "labels.txt")
            self.bundle = read_bundle(source)
        settings = Settings(
            device=DeviceSettings(id="t"),
            camera=CameraSettings(source="scene", fps=FPS),
            events=EventSettings(start_frames=1, end_after_s=0.2, cooldown_s=0),
            mqtt=MqttSettings(host="127.0.0.1", port=broker.port),
            update=UpdateSettings(
                **{
                    "source": "url",
                    "url": server.url("/manifest.json"),
                    "interval_s": 0.0,
                    "probation_s": 0.0,
                    **update,
                }
            ),
        )
        (folder / "state").mkdir()
        self.publish("1.0")
        Store(folder / "state", BUNDLED).install(self.versioned("1.0"), "the benchmark")
        self.service = Service(settings, folder / "state", folder)
        self.times_s: list[float] = []
        outcome = self.service.updater.record_frame

        def timed(inference_ms: float, trouble: str | None) -> None:
            self.times_s.append(time.monotonic())
            outcome(inference_ms, trouble)

        self.service.pipeline.on_outcome = timed

    def versioned(self, version: str) -> Bundle:
        """The model under another version."""
        identity = replace(self.bundle.identity, name="bench", version=version)
        return replace(self.bundle, identity=identity, confidence_threshold=0.2)

    def publish(self, version: str) -> None:
        """Puts it up; the manifest gives the hashes of its files."""
        folder = self.folder / version
        write_bundle(self.versioned(version), folder)
        self.server.put_folder(folder)

    def steps(self, state: str) -> list[dict]:
        """The steps of that kind which a subscriber has received."""
        found = [json.loads(payload) for payload in self.seen.payloads("appliance/t/update")]
        return [step for step in found if step["state"] == state]

    def until(self, state: str, count: int) -> None:
        """Waits until a subscriber has received so many."""
        wait_until(lambda: len(self.steps(state)) >= count, f"{count} × {state}, not {self.steps('failed')}", 60)


@contextmanager
def bench(model: str = AUTOML, **update) -> Iterator[Bench]:
    """A running appliance."""
    with tempfile.TemporaryDirectory() as name, ModelServer() as server:
        folder = Path(name)
        broker = Broker(folder / "broker")
        try:
            with broker.observer("appliance/#") as seen:
                found = Bench(folder, broker, server, seen, model, **update)
                found.service.start()
                supervising = threading.Thread(target=found.service.supervise, daemon=True)
                supervising.start()
                try:
                    wait_until(lambda: len(found.times_s) > 2 * FPS, "frames", 60)
                    wait_until(lambda: found.service.publisher.connected, "a broker", 60)
                    yield found
                finally:
                    found.service.ask_stop()
                    supervising.join(30)
                    found.service.stop()
        finally:
            broker.kill()


def swaps(count: int) -> None:
    """Each swap: the longest interval between two labeled frames within half a second of it, against the median there."""
    with bench() as found:
        moments_s = []
        changed = found.service.junction.engine_changed

        def noted(engine) -> None:
            moments_s.append(time.monotonic())
            changed(engine)

        found.service.junction.engine_changed = noted
        for number in range(1, count + 1):
            found.publish(f"{number + 1}.0")
            found.service.updater.check()
            found.until("committed", number)
        time.sleep(2 * AROUND_S)
        times_s, seen = list(found.times_s), found.seen
    worst, longest_ms, medians_ms = [], [], []
    for moment_s in moments_s:
        near = [at_s for at_s in times_s if abs(at_s - moment_s) <= AROUND_S]
        intervals_ms = [(after - before) * 1000 for before, after in zip(near, near[1:], strict=False)]
        medians_ms.append(statistics.median(intervals_ms))
        longest_ms.append(max(intervals_ms))
        worst.append(max(intervals_ms) / statistics.median(intervals_ms))
    events = [json.loads(payload) for payload in seen.payloads("appliance/t/event")]
    seqs = sorted({event["seq"] for event in events})
    lost = len(set(range(1, seqs[-1] + 1)) - set(seqs))
    unended = {e["id"] for e in events if e["type"] == "started"} ^ {e["id"] for e in events if e["type"] == "ended"}
    all_ms = [(after - before) * 1000 for before, after in zip(times_s, times_s[1:], strict=False)]
    print(f"{len(moments_s)} swaps at {FPS} frames a second, {len(times_s)} frames")
    print(f"interval between frames within {AROUND_S:g} s of a swap: median {statistics.median(medians_ms):.1f} ms,")
    print(f"  longest {max(longest_ms):.1f} ms, which is {max(worst):.2f} times the median there")
    print(f"  swaps with an interval over twice the median: {sum(each > 2 for each in worst)}")
    long = sum(each > 2 * statistics.median(all_ms) for each in all_ms)
    print(
        f"whole run, downloads and probes included: longest {max(all_ms):.1f} ms, {long} of {len(all_ms)} over twice the median"
    )
    print(f"{len(events)} events arrived from the broker; lost: {lost}; started and never ended: {len(unended)}")


def check(_: int) -> None:
    """What a check that finds nothing costs, by what the manifest gives."""
    for hashes in (True, False):
        with bench() as found:
            found.publish("2.0")
            if not hashes:
                manifest = json.loads(found.server.files["/manifest.json"].body)
                found.server.put(
                    "/manifest.json", json.dumps({k: v for k, v in manifest.items() if k != "sha256"}).encode()
                )
            found.service.updater.check().result(60)
            found.until("committed", 1)
            before = len(found.server.requests)
            answer = found.service.updater.check().result(60)
            asked = found.server.requests[before:]
            kind = "with hashes in the manifest" if hashes else "a plain AutoML export"
            statuses = sorted({request.status for request in asked})
            print(
                f"{kind}: {len(asked)} requests, {sum(request.sent for request in asked)} bytes received, statuses {statuses}"
            )
            assert answer["current"]


def time_(count: int) -> None:
    """As somebody sees it who sends the command and listens to T/update."""
    swapped_s, committed_s = [], []
    with bench(LARGER, probation_s=3.0) as found:
        size = found.bundle.model_file.stat().st_size
        for number in range(1, count + 1):
            found.publish(f"{number + 1}.0")
            begun_s = time.monotonic()
            found.seen.publish("appliance/t/model/check", "")
            found.until("swapped", number)
            swapped_s.append(time.monotonic() - begun_s)
            found.until("committed", number)
            committed_s.append(time.monotonic() - begun_s)
    print(f"T/model/check → swapped, {size / 1e6:.1f} MB on loopback, {count} times: "
          f"median {statistics.median(swapped_s):.2f} s, longest {max(swapped_s):.2f} s")  # fmt: skip
    print(f"→ committed with a probation of 3 s: median {statistics.median(committed_s):.2f} s")


def main() -> None:
    """Parses and measures."""
    figures = {"swaps": (swaps, 50), "check": (check, 1), "time": (time_, 10)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figure", choices=figures)
    parser.add_argument("--count", type=int, help="how many updates (default: 50 swaps, 10 times)")
    arguments = parser.parse_args()
    figure, usual = figures[arguments.figure]
    figure(arguments.count or usual)


if __name__ == "__main__":
    main()
