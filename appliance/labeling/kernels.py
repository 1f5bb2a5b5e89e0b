"""Find which kernels of the TFLite runtime compute a model, because without the fast ones nothing fails visibly.

XNNPACK takes over the operations that it supports when the interpreter is made. If it cannot examine the processor, the
runtime uses its built-in kernels instead: several times slower, and with other scores (by up to 0.2).
"""

from enum import StrEnum
from pathlib import Path
from typing import Any

# What XNNPACK reads to examine an Arm processor, relative to the root of the file system.
_PROCESSOR_FILES = ("proc/cpuinfo", "sys/devices/system/cpu/possible")
_REMEDIES = {
    "proc": "remove ProcSubset=pid from the service's unit, or mount /proc",
    "sys": "let the service read /sys, or mount it: mount -t sysfs sysfs /sys",
}


class Kernels(StrEnum):
    """The kernels that compute a model, as they are logged and published."""

    XNNPACK = "XNNPACK"
    BUILT_IN = "built-in"


def find_kernels(interpreter: Any) -> Kernels:
    """Return the kernels of an interpreter whose tensors are allocated.

    The runtime replaces the operations that XNNPACK takes over by one that is called DELEGATE.
    """
    operations = interpreter._get_ops_details()  # noqa: SLF001 - there is no public way to get them
    return Kernels.XNNPACK if any(each["op_name"] == "DELEGATE" for each in operations) else Kernels.BUILT_IN


def describe_slow_kernels(kernels: str | None, runtime: str, root: Path = Path("/")) -> str | None:
    """Return a warning with the remedy if a model runs without the fast kernels, else None.

    Args:
        kernels: The kernels; None if they are not known.
        runtime: The runtime's name and version.
        root: The root of the file system.
    """
    if kernels != Kernels.BUILT_IN:
        return None
    problem = f"{runtime} runs this model without its fast kernels (XNNPACK), so labeling is slow and scores differ"
    for name in _PROCESSOR_FILES:
        if not _is_readable(root / name):
            return f"{problem}; /{name} cannot be read: {_REMEDIES[name.split('/')[0]]}, then restart"
    if not runtime.startswith("LiteRT"):
        return f'{problem}; use LiteRT (labeler.runtime = "auto")'
    return f"{problem}; it consists of operations that XNNPACK does not support: export or train it again"


def _is_readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False
