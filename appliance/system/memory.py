"""A limit on the memory of this process, for systems on which the kernel does not enforce one.

Raspberry Pi OS disables the memory cgroup, so systemd's MemoryMax has no effect, and a leak in a driver, a runtime or a
library would exhaust a machine with 512 MB. So the program checks its own memory once a second and shuts down cleanly
if the limit is exceeded; systemd then restarts it. The systemd unit sets the limit in APPLIANCE_MEMORY_LIMIT, as a
fraction of the machine's memory, so that a large model on a large Pi is not mistaken for a leak. Without this variable
there is no limit.
"""

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import SettingsError

VARIABLE = "APPLIANCE_MEMORY_LIMIT"
MEMINFO = Path("/proc/meminfo")

# Parameter numbers of mallopt(3), from malloc.h. Frames of an ordinary camera are smaller than the threshold.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 4 << 20


def configure_malloc() -> None:
    """Make the allocator return blocks above 4 MiB to the system as soon as they are freed.

    By default, glibc raises its mmap threshold (up to 32 MiB) whenever a large block is freed, and then keeps the
    memory of large temporary arrays. The memory of smaller blocks, such as frames of an ordinary camera, is reused,
    which is cheaper. Does nothing if the C library has no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        # Setting the mmap threshold alone would fix the trim threshold at 128 KiB, and the memory of each frame would
        # be returned to the system and requested again.
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)


def read_memory_limit_mb(environ: Mapping[str, str] = os.environ, meminfo: Path = MEMINFO) -> float | None:
    """Return the memory limit in MB (1e6 bytes) from APPLIANCE_MEMORY_LIMIT, or None if there is none.

    Args:
        environ: The environment; the variable is a share of the machine's memory such as `60%`, or a size such as
            `250M`.
        meminfo: The kernel's /proc/meminfo, proc(5).

    Raises:
        SettingsError: The variable has neither form.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%|M)", text):
        number = float(match[1])
        if match[2] == "M":
            return number
        if 0 < number <= 100:
            return number / 100 * read_total_memory_mb(meminfo)
    raise SettingsError(
        f"{VARIABLE} must be a percentage of the machine's memory such as 60%, or megabytes such as 250M, not {text!r}"
    )


def read_total_memory_mb(meminfo: Path = MEMINFO) -> float:
    """Return the memory of the machine in MB (1e6 bytes).

    Raises:
        SettingsError: The file does not contain it.
        OSError: The file cannot be read.
    """
    total_mb = _read_mb(meminfo, "MemTotal")
    if total_mb is None:
        raise SettingsError(f"{meminfo} has no MemTotal; set {VARIABLE} in megabytes, such as 250M")
    return total_mb


def read_available_mb(meminfo: Path = MEMINFO) -> float | None:
    """Return the memory in MB (1e6 bytes) that can be used without swapping; None if the kernel does not state it.

    Args:
        meminfo: The kernel's /proc/meminfo, proc(5).
    """
    try:
        return _read_mb(meminfo, "MemAvailable")
    except (OSError, UnicodeError):
        return None


def _read_mb(meminfo: Path, name: str) -> float | None:
    match = re.search(rf"^{name}:\s+(\d+) kB", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    return None if match is None else int(match[1]) * 1024 / 1e6
