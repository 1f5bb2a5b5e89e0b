"""Measure the cost of the daemon on drawn scenes: time to the first published label, resident memory, CPU share.

    scripts/bench-daemon [--model BUNDLE] [--seconds 30]

The CPU share is compared with the cost of labeling the frames, measured with the same model before and after the run,
in two ways: with frames in a tight loop (as `appliance bench` does), and with frames at the daemon's rate, which find
cold caches. The ratios are share / (fps × frame cost). The benchmark uses the demo's broker.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from appliance.bundle.bundle import read_bundle
from appliance.daemon.active_model import read_device_bundle
from appliance.demo.broker import LocalBroker
from appliance.diagnostics.bench import measure

ROOT = Path(__file__).resolve().parents[2]
FPS = 5


def cpu_s(pid: int) -> float:
    """Return the user and system time that a process has used, in seconds (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, name: str) -> float:
    """Return VmRSS or VmHWM of a process in MB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / 1e6


def measure_frames_ms(model: str | None) -> list[float]:
    """Return the CPU time of a whole frame in milliseconds: in a tight loop, and at the daemon's rate."""
    bundle = read_bundle(Path(model)) if model else read_device_bundle("scene")
    return [measure(bundle).frame_ms, measure(bundle, 50, 1 / FPS).frame_ms]


def run_in_process(model: str | None) -> list[float]:
    """Run `measure_frames_ms` in a separate process, so that what this process has loaded does not affect it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_frames_ms, model).result()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench-daemon", description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="a bundle (default: the bundled one)")
    parser.add_argument("--seconds", type=float, default=30, help="how long to measure")
    arguments = parser.parse_args()
    model = str(Path(arguments.model).absolute()) if arguments.model else None
    first_label = threading.Event()
    broker = LocalBroker("appliance/bench/labels", lambda topic, payload: first_label.set())
    before_ms = run_in_process(model)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "bench.toml")
        settings.write_text(
            f'[device]\nid = "bench"\n[camera]\nsource = "scene"\nfps = {FPS}\n'
            f'[labeler]\nmodel = "{model or ""}"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\nprotocol = "3.1.1"\n'
        )
        environ = {**os.environ, "APPLIANCE_STATE_DIR": folder}
        begin_s = time.monotonic()
        command = [sys.executable, "-m", "appliance", "run", "--config", str(settings)]
        daemon = subprocess.Popen(command, cwd=ROOT, env=environ)
        try:
            if not first_label.wait(60):
                sys.exit("no label was published within 60 s")
            start_s = time.monotonic() - begin_s
            time.sleep(3)  # so that the work at startup is not measured
            cpu_before_s, time_before_s = cpu_s(daemon.pid), time.monotonic()
            time.sleep(arguments.seconds)
            share = (cpu_s(daemon.pid) - cpu_before_s) / (time.monotonic() - time_before_s)
            rss_mb, peak_mb = memory_mb(daemon.pid, "VmRSS"), memory_mb(daemon.pid, "VmHWM")
        finally:
            daemon.terminate()
            daemon.wait(30)
            broker.close()
    after_ms = run_in_process(model)
    print(f"start to first published label  {start_s:.2f} s")
    print(f"resident memory                 {rss_mb:.0f} MB (peak {peak_mb:.0f} MB)")
    print(f"CPU share at {FPS} fps              {share * 100:.2f} %")
    for rate, before, after in zip(("tight loop", f"at {FPS} fps"), before_ms, after_ms, strict=True):
        cost_ms = (before + after) / 2
        print(
            f"a frame, {rate:<10} {cost_ms:.2f} ms; share / (fps × frame cost) = {share / (FPS * cost_ms / 1000):.2f}"
        )


if __name__ == "__main__":
    main()
