"""Measure what the page costs: memory and processor time of the daemon, and whether labeling waits for viewers.

    scripts/bench-web [--seconds N] [--model BUNDLE]
    scripts/bench-web --against COMMIT [--seconds N]
    scripts/bench-web --fuzz [--seconds N]

Two daemons with drawn scenes at 5 fps run side by side, one with the page and one without. The one with the page then
gets one viewer, 20 viewers, and 4 clients that predict without pause. Labeling intervals are those of the stream of
labels; with viewers and without, in several turns, which show what other work on the machine does to them. The last
part times the first page of events with 10,000 events, and predictions against the bare labeler, and in Chromium, with
the processor slowed 6 times, the first paint of the page and the first label and picture on it.

With --fuzz, schemathesis sends requests of every kind from the description of the API for that many seconds.

With --against, a daemon of an earlier commit runs beside one of this program, both without the page and with the same
model, in turns of a few seconds so that other work on the machine affects both alike.
"""

import argparse
import base64
import contextlib
import http.client
import io
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from appliance.bundle.bundle import read_bundle
from appliance.history.database import HistoryDatabase
from appliance.history.history import History
from appliance.history.recorder import DATABASE_NAME
from appliance.history.records import EventQuery, EventRecord
from appliance.imaging.files import read_picture
from appliance.labeling.labeler import Labeler
from appliance.system.shipped import find_shipped
from appliance.system.threads import lower_thread_priority
from appliance.web.access.principal import Scope
from appliance.web.access.store import AccessStore
from support.broker import free_port, wait_until
from support.browser import Browser, find_chromium
from support.daemon import Daemon, settings

FLOWERS = find_shipped("flowers")
FPS = 5.0
PHONE_PX = (390, 844)
VISITS, TURNS, PREDICTION_TURNS = 9, 4, 12
ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


class Client:
    """A program with a token."""

    def __init__(self, port: int, token: str):
        self.port, self.headers = port, {"Authorization": f"Bearer {token}"}

    def open(self, path: str, method: str = "GET", body: Any = None) -> http.client.HTTPResponse:
        """Send a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {**self.headers, "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return connection.getresponse()


def read_cpu_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def read_rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_intervals(client: Client, seconds: float) -> list[float]:
    """Return the seconds between the labels in the stream, by the times of the frames' arrival."""
    stream, times = client.open("/api/labels"), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if stream.readline().startswith(b"event: labels"):
            times.append(time.monotonic())
    stream.close()
    return [later - earlier for earlier, later in itertools.pairwise(times[1:])]


@contextlib.contextmanager
def run_many(count: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run work on threads until the block ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(35)


def watch(client: Client) -> Callable[[threading.Event], None]:
    """Return the work of a viewer of the live picture."""

    def work(stop: threading.Event) -> None:
        stream = client.open("/api/stream.mjpg?width=640")
        while not stop.is_set() and stream.read1(65536):
            pass
        stream.close()

    return work


def predict(client: Client, picture: str, done: list[float], batch: int = 1) -> Callable[[threading.Event], None]:
    """Return the work of a client that predicts without pause.

    It does only what a client in C does: it sends prepared bytes on one connection, and reads an answer to its end.
    Python's http.client takes 0.15 ms more for a request, which would be measured with the server.
    """
    body = json.dumps({"instances": [{"b64": picture}] * batch})
    lines = [
        "POST /v1/models/default:predict HTTP/1.1", f"Host: 127.0.0.1:{client.port}",
        *(f"{name}: {value}" for name, value in client.headers.items()),
        "Content-Type: application/json", f"Content-Length: {len(body)}",
    ]  # fmt: skip
    request = "\r\n".join([*lines, "", body]).encode()

    def work(stop: threading.Event) -> None:
        with socket.create_connection(("127.0.0.1", client.port), timeout=30) as connection:
            while not stop.is_set():
                connection.sendall(request)
                read_answer(connection)
                done.extend([time.monotonic()] * batch)

    return work


def read_answer(connection: socket.socket) -> None:
    """Read an answer, which must have the status 200."""
    answer = end = b""
    while not end:
        answer += receive(connection)
        header, end, body = answer.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 200"), answer
    left = int(header.partition(b"content-length: ")[2].split()[0]) - len(body)
    while left > 0:
        left -= len(receive(connection))


def receive(connection: socket.socket) -> bytes:
    """Return bytes that arrived."""
    part = connection.recv(65536)
    assert part, "the connection ended"
    return part


def describe(intervals: list[float]) -> str:
    """Describe intervals."""
    median = statistics.median(intervals)
    most = sorted(intervals)[int(0.99 * len(intervals))]
    return (
        f"median {median * 1000:.0f} ms, 99 % at most {most / median:.2f}, longest {max(intervals) / median:.2f} × the "
        "median"
    )


def measure_history() -> float:
    """Return the milliseconds for the first page of 10,000 events."""
    with tempfile.TemporaryDirectory() as folder:
        database = HistoryDatabase(Path(folder) / DATABASE_NAME)
        for number in range(10_000):
            database.add(EventRecord(f"b-{number}", f"label {number % 9}", 0.9, 0.9, float(number), number + 1.0, 1.0,
                                     None, {}, [("a", 0.9)] * 5, 1000))  # fmt: skip
        database.close()
        began_s = time.perf_counter()
        page = [event.as_dict() for event in History(Path(folder)).select(EventQuery(limit=51))]
        assert len(page) == 51
        return (time.perf_counter() - began_s) * 1000


@dataclass(frozen=True)
class PredictionRates:
    """How fast one client gets pictures labeled, and the labeler alone decodes and labels the same picture.

    Attributes:
        served: Pictures per second of the client.
        bare: Pictures per second of the labeler alone.
        ratios: The one divided by the other in each turn.
        more_cpu_ms: The processor time of the daemon for a picture beyond that of the labeler alone.
    """

    served: float
    bare: float
    ratios: list[float]
    more_cpu_ms: float


def measure_predictions(
    client: Client, daemon: Daemon, model: Path, jpeg: bytes, batch: int, seconds: float
) -> PredictionRates:
    """Measure both in turns, both at the low priority of predictions, so that other work affects them alike."""
    labeler, turn_s = Labeler(read_bundle(model)), seconds / PREDICTION_TURNS
    served, bare, bare_cpu_ms, busy_s, idle_s = [], [], [], 0.0, 0.0

    def label_alone() -> int:
        count, until, began_s = 0, time.monotonic() + turn_s, time.thread_time()
        while time.monotonic() < until:
            labeler.score(read_picture(io.BytesIO(jpeg), "frame", max(labeler.input_px)))
            count += 1
        bare_cpu_ms.append(1000 * (time.thread_time() - began_s) / count)
        return count

    with ThreadPoolExecutor(1, initializer=lower_thread_priority) as worker:
        for _ in range(PREDICTION_TURNS):
            done: list[float] = []
            before_s = read_cpu_s(daemon.process.pid)
            with run_many(1, predict(client, base64.b64encode(jpeg).decode(), done, batch)):
                time.sleep(turn_s)
            between_s = read_cpu_s(daemon.process.pid)
            served.append(len(done))
            bare.append(worker.submit(label_alone).result())
            busy_s += between_s - before_s
            idle_s += read_cpu_s(daemon.process.pid) - between_s
    more_cpu_ms = 1000 * (busy_s - idle_s) / sum(served) - statistics.median(bare_cpu_ms)
    ratios = [one / other for one, other in zip(served, bare, strict=True)]
    return PredictionRates(statistics.median(served) / turn_s, statistics.median(bare) / turn_s, ratios, more_cpu_ms)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement (default: 20)")
    parser.add_argument("--model", default=FLOWERS, type=Path, help="the bundle that labels (default: flowers)")
    parser.add_argument("--against", metavar="COMMIT", help="compare this program, without the page, with a commit")
    parser.add_argument("--fuzz", action="store_true", help="measure the labeling intervals while the API is fuzzed")
    arguments = parser.parse_args()
    if arguments.fuzz:
        report_fuzzing(arguments.seconds)
    elif arguments.against:
        compare_with_commit(arguments.against, arguments.seconds)
    else:
        measure_page(arguments.model, arguments.seconds)


def measure_page(model: Path, seconds: float) -> None:
    """Measure what the page costs."""
    with tempfile.TemporaryDirectory() as folder:
        state, port = Path(folder) / "on" / "state", free_port()
        state.mkdir(parents=True)
        token = AccessStore(state).new_token("bench", Scope.ADMIN)
        web = f'[web]\nenabled = true\nlisten = ["127.0.0.1:{port}"]\n'
        with (
            Daemon(
                Path(folder) / "off", settings(None, "scene", model=model, fps=FPS).replace('id = "t"', 'id = "off"')
            ) as off,
            Daemon(Path(folder) / "on", settings(None, "scene", model=model, fps=FPS, more=web)) as on,
        ):
            wait_until(lambda: on.count_lines("the page is served"), "the page is served", 120)
            wait_until(lambda: off.count_lines("started"), "the other daemon labels", 30)
            client = Client(port, token)
            time.sleep(3)
            rss = read_rss_mb(on.process.pid) - read_rss_mb(off.process.pid)
            idle_off, idle_on = measure_cpu_of_both(off, on, seconds)
            print(f"page on, without viewers: {rss:+.0f} MB, {100 * (idle_on - idle_off):+.1f} % of a core "
                  f"({100 * idle_off:.1f} % without the page)")  # fmt: skip
            report_load(client, model, off, on, seconds)
            report_first_paint(on, Path(folder))


def report_first_paint(daemon: Daemon, folder: Path) -> None:
    """Print how soon a phone with a slow processor shows the page."""
    if not find_chromium():
        print("the first paint is not measured; chromium and chromedriver are missing (scripts/install-test-tools)")
        return
    link = re.search(
        r"http://\S+#\S+", daemon.run("web", "--config", str(daemon.state.parent / "appliance.toml")).stdout
    )
    assert link, "appliance web prints a link"
    paints_ms, shown_ms = [], []
    with contextlib.closing(Browser(folder / "browser")) as browser:
        browser.visit(link[0], *PHONE_PX)
        browser.wait("document.querySelector('now-view')", 30)
        browser.send_command("Emulation.setCPUThrottlingRate", rate=6)
        for _ in range(VISITS):
            browser.visit("about:blank")
            browser.visit(link[0].partition("#")[0], *PHONE_PX)
            browser.wait("document.querySelector('.live-picture img')?.naturalWidth > 0", 30)
            browser.wait("/%/.test(document.querySelector('.now-score')?.innerText ?? '')", 30)
            shown_ms.append(browser.run("return performance.now()"))
            paints_ms.append(browser.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(
        f"processor slowed 6 times: first paint after {statistics.median(paints_ms):.0f} ms (shortest "
        f"{min(paints_ms):.0f}), label and picture after {statistics.median(shown_ms):.0f} ms, medians of {VISITS}"
    )


def compare_with_commit(commit: str, seconds: float) -> None:
    """Compare memory and processor time of this program, with the page off, with those of an earlier one."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", tree, commit], check=True, capture_output=True, cwd=ROOT)
        try:
            sides = [("new", ROOT), ("old", tree)]
            with contextlib.ExitStack() as stack:
                text = settings(None, "scene", model=FLOWERS, fps=FPS)
                new, old = (
                    stack.enter_context(
                        Daemon(Path(folder) / name, text.replace('id = "t"', f'id = "{name}"'), root=root)
                    )
                    for name, root in sides
                )
                for each in (new, old):
                    each.wait_for_log("camera: streaming")
                time.sleep(5)
                shares = [measure_cpu_of_both(old, new, seconds / 4) for _ in range(4)]
                old_share, new_share = (statistics.median(share[side] for share in shares) for side in (0, 1))
                old_mb, new_mb = (read_rss_mb(each.process.pid) for each in (old, new))
                modules = sorted(name for name in ("fastapi", "uvicorn", "h11", "pydantic") if name in read_maps(new))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True, capture_output=True, cwd=ROOT)
    print(
        f"page off, this program ÷ {commit}: processor time {new_share / old_share:.2f} "
        f"({100 * new_share:.2f} and {100 * old_share:.2f} % of a core), memory {new_mb / old_mb:.2f} "
        f"({new_mb:.0f} and {old_mb:.0f} MB); libraries of the page in its memory: {', '.join(modules) or 'none'}"
    )


def read_maps(daemon: Daemon) -> str:
    """Return the files that a process has in its memory; compiled libraries are among them."""
    return Path(f"/proc/{daemon.process.pid}/maps").read_text()


def measure_cpu_of_both(off: Daemon, on: Daemon, seconds: float) -> tuple[float, float]:
    """Return the shares of a core of both daemons in the same time."""
    before = [read_cpu_s(each.process.pid) for each in (off, on)]
    time.sleep(seconds)
    after = [read_cpu_s(each.process.pid) for each in (off, on)]
    return (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds


def report_viewers(client: Client, off: Daemon, on: Daemon, seconds: float) -> None:
    """Print the processor time and the labeling intervals with and without viewers, in turns."""
    # The stream of labels, which measures the intervals, is the 20th.
    counts = (0, 1, 19)
    turns: dict[int, list[list[float]]] = {count: [] for count in counts}
    cpu: dict[int, list[float]] = {count: [] for count in counts}
    for _, count in itertools.product(range(TURNS), counts):
        with run_many(count, watch(client)):
            time.sleep(1)
            before = [read_cpu_s(each.process.pid) for each in (off, on)]
            turns[count].append(measure_intervals(client, seconds / 2))
            after = [read_cpu_s(each.process.pid) for each in (off, on)]
        cpu[count].append(100 * ((after[1] - before[1]) - (after[0] - before[0])) / (seconds / 2))
    for count in counts:
        longest = ", ".join(f"{max(turn) / statistics.median(turn):.2f}" for turn in turns[count])
        print(
            f"{count} viewers at 640 px: {statistics.median(cpu[count]):+.1f} % of a core; "
            f"{describe(list(itertools.chain.from_iterable(turns[count])))}; longest in each turn {longest}"
        )


def report_fuzzing(seconds: float) -> None:
    """Print how late labels are while requests of every kind arrive."""
    with tempfile.TemporaryDirectory() as folder:
        state, port = Path(folder) / "state", free_port()
        state.mkdir(parents=True)
        token = AccessStore(state).new_token("bench", Scope.ADMIN)
        web = f'[web]\nenabled = true\nlisten = ["127.0.0.1:{port}"]\n'
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/api/openapi.json", "--no-color",
            "-H", f"Authorization: Bearer {token}", "--seed", "1", "--max-time", str(int(seconds)),
            "--checks", "not_a_server_error", "--continue-on-failure",
            "--exclude-path-regex", "/api/(labels|stream.mjpg|restart|running|frame.jpg)",
        ]  # fmt: skip
        with Daemon(Path(folder), settings(None, "scene", model=FLOWERS, fps=FPS, more=web)) as daemon:
            wait_until(lambda: daemon.count_lines("the page is served"), "the page is served", 120)
            client = Client(port, token)
            time.sleep(3)
            print(f"without requests: {describe(measure_intervals(client, seconds / 3))}")
            fuzzing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
            print(f"with requests of every kind: {describe(measure_intervals(client, seconds))}")
            output = fuzzing.communicate()[0]
        print(*(line for line in output.splitlines() if "generated, " in line or "Server error" in line), sep="\n")


def report_load(client: Client, model: Path, off: Daemon, on: Daemon, seconds: float) -> None:
    """Print the figures with viewers and with predictions."""
    report_viewers(client, off, on, seconds)
    jpeg = client.open("/api/frame.jpg?width=640").read()
    picture = base64.b64encode(jpeg).decode()
    for batch in (1, 16):
        done: list[float] = []
        with run_many(4, predict(client, picture, done, batch)):
            intervals = measure_intervals(client, seconds)
        rate = f"{batch} in a request, {len(done) / seconds:.0f} pictures/s"
        print(f"4 clients predict without pause ({rate}): {describe(intervals)}")
    for batch in (1, 16):
        rates = measure_predictions(client, on, model, jpeg, batch, seconds)
        print(
            f"predictions of one client, {batch} in a request: {rates.served:.0f} pictures/s, "
            f"{statistics.median(rates.ratios):.2f} × the labeler with the same JPEG ({rates.bare:.0f}/s; "
            f"{min(rates.ratios):.2f} to {max(rates.ratios):.2f} in {PREDICTION_TURNS} turns); for a picture, "
            f"{1000 / rates.served - 1000 / rates.bare:.2f} ms more, of which {rates.more_cpu_ms:.2f} ms of the "
            "daemon's processor time"
        )
    print(f"first page of 10,000 events: {measure_history():.0f} ms")


if __name__ == "__main__":
    main()
