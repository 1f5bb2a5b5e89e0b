"""A bound on this process's own memory, for systems where the kernel keeps none.

Raspberry Pi OS disables the memory cgroup, and systemd's MemoryMax then does nothing: a leak anywhere below (a driver, a
runtime, a library) would take a machine of 512 MB down with it. So the program looks at itself once a second and ends in
good order above its bound; systemd starts it again. The bound comes from the unit, as a part of the machine's memory, so
that a large model on a large Pi is not taken for a leak. Without the variable there is none.
"""

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import SettingsError

VARIABLE = "APPLIANCE_MEMORY_LIMIT"
_MEMINFO = Path("/proc/meminfo")


# mallopt(3), numbers of malloc.h; the size is above the frames of an ordinary camera.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 4 << 20


def configure_malloc() -> None:
    """Lets the allocator hand blocks above 4 MiB back to the system as soon as they are freed.

    glibc raises that line by itself with each large block that is freed, up to 32 MiB, and then keeps what large passing
    arrays once needed. Frames of an ordinary camera stay below the line: they are reused, which is cheaper.
    Does nothing where the C library has no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        # Set by hand, the first stops the second from growing with it: at its 128 KiB each frame's memory would go and come.
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)


def read_memory_limit_mb(environ: Mapping[str, str] = os.environ, meminfo: Path = _MEMINFO) -> float | None:
    """The bound in MB (1e6 bytes), from APPLIANCE_MEMORY_LIMIT: `60%` of the machine's memory, or `250M`; None for no bound.

    Raises:
        SettingsError: The variable says neither.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%|M)", text):
        number = float(found[1])
        if found[2] == "M":
            return number
        if 0 < number <= 100:
            return number / 100 * _total_mb(meminfo)
    raise SettingsError(
        f"{VARIABLE} must be a part of the machine's memory such as 60%, or megabytes such as 250M, not {text!r}"
    )


def _total_mb(meminfo: Path) -> float:
    kib = re.search(r"^MemTotal:\s+(\d+) kB", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    assert kib, "the kernel always says MemTotal, proc(5)"
    return int(kib[1]) * 1024 / 1e6
