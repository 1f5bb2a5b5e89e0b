"""Measure whether frames stay on time while the device records and trains, and how long a training takes.

    scripts/bench-teach [--pictures N] [--fps F] [--rounds N]

A daemon labels drawn scenes. In turns, the intervals between labeled frames are measured while it does nothing else,
while it records two pictures a second, and while it trains on the pictures; the longest interval is stated as a
multiple of the median of the same daemon while it does nothing else. A second daemon that never trains is measured at
the same time, because other work on the machine delays both.
"""

import argparse
import http.client
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from appliance.imaging.files import encode_jpeg
from appliance.teaching.names import make_recorded_stem
from appliance.web.access.principal import Scope
from appliance.web.access.store import AccessStore
from support.broker import free_port, wait_until
from support.daemon import Daemon, settings
from support.teaching import draw

QUIET_S = 20.0
RECORDING_PICTURES = 10


class Client:
    """A program with a token, and the times of the labeled frames that it is told of."""

    def __init__(self, port: int, token: str):
        """Start to listen to the stream of labels."""
        self._port, self._headers = port, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.times_s: list[float] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def take_intervals(self) -> list[float]:
        """Return the seconds between the frames since the last call."""
        times_s, self.times_s = self.times_s, []
        return [later - earlier for earlier, later in itertools.pairwise(times_s)]

    def _listen(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", "/api/labels", None, self._headers)
        stream = connection.getresponse()
        while line := stream.readline():
            if line.startswith(b"event: labels"):
                self.times_s.append(time.monotonic())


def write_pictures(dataset: Path, count: int) -> None:
    """Write drawn pictures of two labels, in recordings of RECORDING_PICTURES."""
    noise = np.random.default_rng(0)
    for number in range(count):
        folder = dataset / ("cup", "mug")[number // RECORDING_PICTURES % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = draw(number, 640) // 2 + noise.integers(0, 90, (640, 640, 3), np.uint8)
        stem = make_recorded_stem(1_700_000_000 + number, f"{number // RECORDING_PICTURES:08x}")
        (folder / f"{stem}.jpg").write_bytes(encode_jpeg(pixels))


def describe(intervals_s: list[float], median_s: float) -> str:
    """Describe intervals."""
    late = sorted(intervals_s)[int(len(intervals_s) * 0.99)]
    return (
        f"{len(intervals_s)} frames, median {statistics.median(intervals_s) * 1000:.0f} ms, 99 % within "
        f"{late / median_s:.2f} × and the longest {max(intervals_s) / median_s:.2f} × the median without other work"
    )


def measure_round(client: Client, other: Client) -> None:
    """Measure one turn: nothing else, recording, training; `other` belongs to a daemon that never trains."""
    client.take_intervals()
    time.sleep(QUIET_S)
    quiet_s = client.take_intervals()
    median_s = statistics.median(quiet_s)
    print(f"  nothing else: {describe(quiet_s, median_s)}")
    until_s = time.monotonic() + QUIET_S / 2
    while time.monotonic() < until_s:
        client.ask("PUT", "/api/dataset/recording", {"label": "spoon"})
        time.sleep(1)
    client.ask("DELETE", "/api/dataset/recording")
    print(f"  recording:    {describe(client.take_intervals(), median_s)}")
    other.take_intervals()
    started_s = time.monotonic()
    client.ask("POST", "/api/training")
    while (state := client.ask("GET", "/api/training"))["state"] == "running":
        time.sleep(1)
    seconds = time.monotonic() - started_s
    print(f"  training:     {describe(client.take_intervals(), median_s)}; {state['state']} in {seconds:.0f} s")
    others_s = other.take_intervals()
    longest = max(others_s) / statistics.median(others_s)
    print(f"  meanwhile, the daemon that never trains: longest {longest:.2f} × its median")
    client.ask("DELETE", "/api/training")


def start(folder: Path, name: str, pictures: int, fps: float) -> tuple[Daemon, Client]:
    """Start a daemon with the page and so many pictures; return it when it labels."""
    state, port = folder / "state", free_port()
    state.mkdir(parents=True)
    write_pictures(state / "dataset", pictures)
    token = AccessStore(state).new_token("bench", Scope.ADMIN)
    web = f'[web]\nenabled = true\nlisten = ["127.0.0.1:{port}"]\n'
    text = settings(None, "scene", fps=fps, more=web).replace('id = "t"', f'id = "{name}"')
    daemon = Daemon(folder, text, {"XDG_CACHE_HOME": str(folder / "cache")})
    daemon.wait_for_log("the page is served")
    client = Client(port, token)
    wait_until(lambda: len(client.times_s) > 5, "labeled frames", 30)
    return daemon, client


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=160, help="in the dataset (default: 160)")
    parser.add_argument("--fps", type=float, default=5.0, help="of the daemon (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: 3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        daemon, client = start(Path(folder) / "teach", "teach", arguments.pictures, arguments.fps)
        with daemon:
            control, other = start(Path(folder) / "other", "other", 0, arguments.fps)
            with control:
                for number in range(arguments.rounds):
                    print(f"round {number + 1}, {arguments.pictures} pictures, {arguments.fps:g} frames/s", flush=True)
                    measure_round(client, other)


if __name__ == "__main__":
    main()
