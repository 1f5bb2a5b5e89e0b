"""A process that runs an update many times, and is killed -9 before each change on disk that the update makes, in turn.

    python killed_runs.py SCENARIO FOLDER URL

Python tells an audit hook of every file that is opened for writing, renamed, removed or made; the run is killed at the
n-th of them below its state folder, then run again to its end, for n = 1, 2, … until a run comes to its end by itself.
Each line of the output is one n, as JSON. Runs are forks of a process that has loaded everything and has no threads.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[2])]

from machine_helpers import Rig  # noqa: E402

import appliance.updates.sources.url  # noqa: E402, F401 - loaded once, before the forks
from appliance.labeling.labeler import Labeler  # noqa: E402, F401

LAST = {"good": "committed", "broken": "refused", "fails": "rolled_back"}
_LIMIT_S = 30.0
_CHANGES = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.chmod": 0, "os.link": 1}


class Told(Rig):
    """Writes each step to a file outside of the state folder."""

    def __init__(self, folder, url):
        self.told_file = folder / "told"
        super().__init__(folder, url)

    def told(self, step):
        super().told(step)
        with self.told_file.open("a") as file:
            file.write(step.state + "\n")


def life(scenario: str, folder: Path, url: str, kill_at: int) -> None:
    """One life of the program, to the end of the update."""
    rig = Told(folder, url)
    if kill_at:
        _kill_at(kill_at, str(rig.state))
    rig.start()
    rig.updater.check()
    end_s = time.monotonic() + _LIMIT_S
    trouble = "scores that are no numbers" if scenario == "fails" else None
    while time.monotonic() < end_s:
        second = rig.runs == "colours 2.0"
        rig.frames(1, 1.0, trouble if second else None)
        if LAST[scenario] in rig.told_file.read_text().split() and rig.updater._journal.entry is None:
            break
        time.sleep(0.002)
    rig.stop()


def _kill_at(number: int, below: str) -> None:
    seen, lock = 0, threading.Lock()

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event == "open":
            path, mode, flags = arguments
            if not (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
        elif event in _CHANGES:
            path = arguments[_CHANGES[event]]
        else:
            return
        if isinstance(path, (str, os.PathLike)) and not os.fspath(path).startswith(below):
            return  # descriptors and bare names count: both belong to what is being changed
        with lock:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def forked(work) -> int:
    """Carries `work` out in a fork; how it ended, below 0 for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(folder: Path, url: str) -> None:
    """What a start would run, and what the store says: on standard output."""
    rig = Rig(folder, url)
    state = rig.store.state()
    print(json.dumps({
        "runs": rig.would_run, "probation": state.probation, "refused": [each.version for each in state.refused],
        "left": sorted(path.name for path in (rig.state / "downloads").glob("*")) if (rig.state / "downloads").exists() else [],
    }), flush=True)  # fmt: skip


def main(scenario: str, base: Path, url: str) -> None:
    for number in range(1, 1000):
        folder = base / "run"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base / "before", folder)
        (folder / "told").write_text("")
        ended = forked(lambda folder=folder, number=number: life(scenario, folder, url, number))
        if ended == 0:
            break
        print(json.dumps({"number": number, "ended": ended, "told": (folder / "told").read_text().split()}), flush=True)
        forked(lambda folder=folder: look(folder, url))
        again = forked(lambda folder=folder: life(scenario, folder, url, 0))
        print(json.dumps({"ended": again, "told": (folder / "told").read_text().split()}), flush=True)
        forked(lambda folder=folder: look(folder, url))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
