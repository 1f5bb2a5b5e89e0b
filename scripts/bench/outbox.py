"""Measure the cost of the outbox and the speed of delivering a backlog, on this machine and its disk.

    scripts/bench-outbox [--events N] [--folder DIR] [--flips N]

The benchmark prints the events per second and the bytes written to disk per event (as counted by the kernel for this
process in /proc/self/io), for events written one at a time and in batches. It then prints how fast N events that were
offered while the broker was down are delivered to mosquitto after it starts. Use a folder on the disk that you want to
measure; a RAM disk writes nothing.

With --flips, it instead changes one random bit of a full outbox, N times with a fixed seed, and prints how often the
outbox could not be opened, how often an event stayed in it, and how many events could not be delivered.
"""

import argparse
import json
import logging
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

from appliance.bundle.identity import ModelIdentity
from appliance.labeling.tracker import Event
from appliance.messaging.outbox.outbox import Outbox
from appliance.messaging.payloads import EventPayload
from appliance.messaging.publisher import MqttPublisher
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings

ROOT = Path(__file__).resolve().parents[2]

TOPICS = Topics("appliance", "pi-1a2b3c4d")
FULL_EVENTS = 300
FLIP_SEED = 20_261_129
MODEL = ModelIdentity("flowers", "1.2.0", "0" * 64)


def make_event(number: int) -> dict[str, Any]:
    """Return an outbox event as the daemon writes it; the events alternate between start and end."""
    started = Event(f"{number // 2:032x}", "started", "sunflower", 0.93, 0.93, time.time())
    ended = Event(started.id, "ended", "sunflower", 0.41, 0.97, started.started, started.started + 5)
    payload = EventPayload.from_event(ended if number % 2 else started, MODEL, TOPICS.device, "0" * 32, number)
    return {"topic": TOPICS.event, "time": time.time(), "payload": payload.as_dict()}


def written_bytes() -> int:
    """Return how many bytes this process has written to the disk."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def bench_writing(folder: Path, count: int, batch: int) -> None:
    """Write events in batches, each of which also deletes the previous batch, as if the broker kept up."""
    outbox = Outbox(folder / f"batches-of-{batch}.db", 1_000_000, 604_800)
    events = [make_event(number) for number in range(count)]
    os.sync()
    before, began_s = written_bytes(), time.perf_counter()
    for first in range(0, count, batch):
        outbox.append(events[first : first + batch])
        outbox.acknowledge([entry.id for entry in outbox.take_batch(batch)])
    outbox.commit()
    took_s = time.perf_counter() - began_s
    outbox.close()
    size = (written_bytes() - before) / count
    print(
        f"written and deleted, batches of {batch:>5}: {count / took_s:>9,.0f} events/s  {size:>8,.0f} bytes/event",
        flush=True,
    )


def bench_flips(folder: Path, flips: int) -> None:
    """Change one bit of a full outbox, deliver what is in it, and start over with another bit."""
    logging.disable(logging.CRITICAL)
    outbox = Outbox(folder / "full.db", 1_000_000, 604_800)
    for first in range(0, FULL_EVENTS, 20):
        outbox.append([make_event(number) for number in range(first, first + 20)])
    outbox.append([make_event(FULL_EVENTS)])  # a start, so that an event is open
    outbox.close()
    full, choose = (folder / "full.db").read_bytes(), random.Random(FLIP_SEED)
    failed = stuck = lost = set_aside = 0
    for number in range(flips):
        content, bit = bytearray(full), choose.randrange(len(full) * 8)
        content[bit // 8] ^= 1 << (bit % 8)
        place = folder / f"flip-{number}"
        place.mkdir()
        (place / "outbox.db").write_bytes(content)
        try:
            outbox = Outbox(place / "outbox.db", 1_000_000, 604_800)
            outbox.open_events()
            failed += outbox.error is not None
        except Exception:  # noqa: BLE001 - whatever would end the daemon
            failed += 1
            continue
        delivered = 0
        for _ in range(FULL_EVENTS):
            if not (batch := outbox.take_batch(200)):
                break
            delivered += sum(isinstance(json.loads(event.payload), dict) for event in batch)
            outbox.acknowledge(event.id for event in batch)
        outbox.commit()
        stuck += outbox.waiting > 0
        lost += FULL_EVENTS + 1 - delivered
        set_aside += outbox.set_aside
        outbox.close()
        shutil.rmtree(place)
    print(
        f"{flips} flipped bits in an outbox of {FULL_EVENTS + 1} events: {failed} failed starts, {stuck} stuck;"
        f" {lost} of {flips * (FULL_EVENTS + 1):,} events could not be read ({set_aside} rows set aside)"
    )


@contextmanager
def run_mosquitto(folder: Path, port: int) -> Iterator[None]:
    """Run mosquitto on a port of 127.0.0.1 while the context is open."""
    program = which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        raise SystemExit(
            "mosquitto is not installed, so delivery was not measured; install it (apt-get install mosquitto)"
        )
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def bench_delivery(folder: Path, count: int) -> None:
    """Offer events while the broker is down, then start the broker and wait until it has acknowledged them all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outbox = Outbox(folder / "backlog.db", 1_000_000, 604_800)
    settings = MqttSettings(host="127.0.0.1", port=port)
    publisher = MqttPublisher(settings, None, TOPICS, outbox, [], lambda message: None, "bench-outbox")
    thread = threading.Thread(target=publisher.run, daemon=True)
    os.sync()
    before = written_bytes()
    thread.start()
    for number in range(count):
        publisher.offer(make_event(number))
    while outbox.waiting < count:
        time.sleep(0.01)
    with run_mosquitto(folder, port):
        while not publisher.connected:
            time.sleep(0.001)
        began_s, cpu_s = time.perf_counter(), time.process_time()
        while outbox.waiting:
            time.sleep(0.002)
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        publisher.stop(5)
        thread.join()
        outbox.close()
    size = (written_bytes() - before) / count
    print(
        f"{count:,} events offered while the broker was down: delivered at {count / took_s:,.0f} events/s"
        f" ({cpu_s / count * 1e6:.0f} µs of CPU time per event), {size:,.0f} bytes/event written to disk in total"
    )


def main() -> None:
    """Run the measurements."""
    parser = argparse.ArgumentParser(prog="scripts/bench-outbox", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000, help="events in the backlog (default 10000)")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to write (default: the folder for temporary files)"
    )
    parser.add_argument("--flips", type=int, default=0, help="flip this many bits instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.flips:
            bench_flips(Path(folder), arguments.flips)
            return
        for batch, count in ((1, 500), (2, 1000), (20, 4000), (1000, 20_000)):
            bench_writing(Path(folder), count, batch)
        bench_delivery(Path(folder), arguments.events)


if __name__ == "__main__":
    main()
