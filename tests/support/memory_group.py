"""A limit on the memory of processes, by a cgroup of version 1 (systemd's MemoryMax needs version 2 inside)."""

import os
import re
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup/memory")


def missing() -> str | None:
    """Return why no limit can be set here, or None."""
    if os.geteuid() != 0 or not _find_own().is_dir():
        return "there is no memory cgroup of version 1, or no root"
    return None


class MemoryGroup:
    """Processes that, with their later children, get at most so much new memory; a context manager."""

    def __init__(self, name: str, limit_bytes: int):
        self._path = _find_own() / name
        self._path.mkdir()
        (self._path / "memory.limit_in_bytes").write_text(str(limit_bytes))

    def __enter__(self) -> "MemoryGroup":
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (self._path / "cgroup.procs").read_text().split():
            (self._path.parent / "cgroup.procs").write_text(pid)
        self._path.rmdir()

    def add(self, pid: int) -> None:
        """Put a process of this machine into the group."""
        (self._path / "cgroup.procs").write_text(str(pid))

    @property
    def killed(self) -> int:
        """How many processes the kernel ended because the limit was reached."""
        found = re.search(r"^oom_kill (\d+)", (self._path / "memory.oom_control").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0


def find_process(inner_pid: str, leader: int) -> int:
    """Return the process of this machine that has a process id in the container of `leader`."""
    space = Path(f"/proc/{leader}/ns/pid").readlink()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            ids = re.search(r"^NSpid:\s+(.*)$", (path / "status").read_text(), re.MULTILINE)
            if ids and ids[1].split()[-1] == inner_pid and (path / "ns/pid").readlink() == space:
                return int(path.name)
        except OSError:
            continue
    raise AssertionError(f"there is no process {inner_pid} in the container")


def _find_own() -> Path:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.split(":", 2)[2] for line in lines if line.split(":")[1] == "memory"), "/none")
    return _ROOT / own.lstrip("/")
