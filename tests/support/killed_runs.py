"""Run an update many times, and kill it with SIGKILL before each of its changes on disk in turn.

    python killed_runs.py kill SCENARIO FOLDER URL
    unshare -m python killed_runs.py cut SCENARIO FOLDER URL

Python calls an audit hook for every file that is opened for writing, renamed, removed or created; the run is killed at
the n-th of these changes below its state folder, then run again to its end, for n = 1, 2, … until a run ends by itself.
Runs are forks of a process that has loaded everything and has no threads. The output has four JSON lines for each n:
the killed run, what a start would run then, the next run, and what a start would run after that.

`cut` does this on a separate file system for each n, and cuts its power after the kill: data that was not synced is
gone, and data that the journal of the file system wrote within six seconds is there, as after a real power cut. An
immediate cut would not detect code that fails to sync.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import appliance.updates.sources.url  # noqa: F401 - load it once, before the forks
from appliance.labeling.labeler import Labeler  # noqa: F401
from support.rig import Rig

LAST = {"good": "committed", "broken": "refused", "fails": "rolled_back"}
_LIMIT_S = 30.0
_CHANGES = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.chmod": 0, "os.link": 1}


def told_file(folder: Path) -> Path:
    """Return the file in which a run records its steps, never on the disk whose power is cut."""
    return folder.parent.parent / f"told-{folder.parent.name}-{folder.name}"


class Told(Rig):
    """A rig that writes each step to a file outside the state folder."""

    def __init__(self, folder, url):
        self.told_file = told_file(folder)
        super().__init__(folder, url)

    @property
    def all_told(self):
        """The steps reported in all runs so far."""
        return self.told_file.read_text().split()

    def report_step(self, step):
        super().report_step(step)
        with self.told_file.open("a") as file:
            file.write(step.state + "\n")


def life(scenario: str, folder: Path, url: str, kill_at: int) -> None:
    """Run the program to the end of the update, or until it is killed."""
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
        if LAST[scenario] in rig.all_told and rig.updater._journal.entry is None:
            break
        time.sleep(0.002)
    rig.stop()


def _kill_at(number: int, below: str) -> None:
    seen, lock = 0, threading.Lock()

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event == "open":
            path, _, flags = arguments
            if not (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
        elif event in _CHANGES:
            path = arguments[_CHANGES[event]]
        else:
            return
        if isinstance(path, (str, os.PathLike)) and not os.fspath(path).startswith(below):
            return  # descriptors and bare names count, because both belong to a change in progress
        with lock:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def forked(work) -> int:
    """Run `work` in a fork; return its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - the fork must not return
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look(folder: Path, url: str) -> None:
    """Print what a start would run, and the state of the store."""
    rig = Rig(folder, url)
    state = rig.store.read_state()
    print(json.dumps({
        "runs": rig.would_run, "probation": state.probation, "refused": [each.version for each in state.rejections],
        "left": sorted(path.name for path in (rig.state / "downloads").glob("*")),
    }), flush=True)  # fmt: skip


def tell_of(number: int, ended: int, folder: Path) -> None:
    """Print the result of one run."""
    told = told_file(folder).read_text().split()
    print(json.dumps({"number": number, "ended": ended, "told": told}), flush=True)


def killed(scenario: str, folder: Path, url: str, number: int) -> bool:
    """Run and kill the process before its change `number`; return False if it makes fewer changes."""
    told_file(folder).write_text("")
    ended = forked(lambda: life(scenario, folder, url, number))
    if ended != 0:
        tell_of(number, ended, folder)
    return ended != 0


def continued(scenario: str, folder: Path, url: str, number: int) -> None:
    """Print what a start finds, run the program again, and print what the next start finds."""
    forked(lambda: look(folder, url))
    tell_of(number, forked(lambda: life(scenario, folder, url, 0)), folder)
    forked(lambda: look(folder, url))


def kills(scenario: str, base: Path, url: str) -> None:
    """Kill a run before each change in turn."""
    folder = base / "run"
    for number in range(1, 1000):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base / "before", folder)
        if not killed(scenario, folder, url, number):
            break
        continued(scenario, folder, url, number)


def cuts(scenario: str, base: Path, url: str) -> None:
    """Kill the runs, and cut the power of all their file systems together six seconds later."""
    image = base / "before.img"
    with image.open("wb") as file:
        file.truncate(48 * 1024 * 1024)
    _run("mkfs.ext4", "-q", str(image))
    _mount(image, base / "mnt")
    shutil.copytree(base / "before", base / "mnt" / "run")
    _run("umount", str(base / "mnt"))
    cut = []
    for number in range(1, 1000):
        own, mounted = base / f"{number}.img", base / f"mnt-{number}"
        _run("cp", "--sparse=always", str(image), str(own))
        _mount(own, mounted)
        cut.append((number, own, mounted))
        shutil.copy(
            mounted / "run" / "bundled" / "manifest.json", base / "read"
        )  # make sure that the file system is active
        if not killed(scenario, mounted / "run", url, number):
            _run("umount", str(mounted))
            cut.pop()
            break
    time.sleep(6)
    for _, _, mounted in cut:
        _run("xfs_io", "-x", "-c", "shutdown", str(mounted))
    for number, own, mounted in cut:
        _run("umount", str(mounted))
        _mount(own, mounted)
        continued(scenario, mounted / "run", url, number)
        _run("umount", str(mounted))
        own.unlink()


def _mount(image: Path, where: Path) -> None:
    where.mkdir(exist_ok=True)
    # Disable the heuristic with which ext4 hides that a program did not sync before renaming.
    _run("mount", "-o", "loop,noauto_da_alloc", str(image), str(where))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    {"kill": kills, "cut": cuts}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), sys.argv[4])
