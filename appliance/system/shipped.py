"""Find the bundles that ship with the program by their names: bundled:general and bundled:flowers."""

from pathlib import Path

import appliance
from appliance.errors import BundleError
from appliance.system.foreign_text import clean_text

PREFIX = "bundled:"
NAMES = ("general", "flowers")
DEFAULT = "general"
"""The bundle that labels on a new installation, and that a training builds on, unless another one is chosen."""
FOR_DRAWN_SCENES = "flowers"
"""The bundle that labels drawn scenes, whose things the default one does not know."""
_FOLDER = Path(appliance.__file__).parent / "bundled"
_MAX_SHOWN_CHARS = 64


def find_shipped(name: str) -> Path:
    """Return the folder of a bundle that ships with the program.

    Args:
        name: Its name, one of NAMES.

    Raises:
        BundleError: No bundle with this name ships.
    """
    if name not in NAMES:
        known = " and ".join(f"{PREFIX}{each}" for each in NAMES)
        raise BundleError(f"{PREFIX}{clean_text(name, _MAX_SHOWN_CHARS)} does not ship with the program; {known} do")
    return _FOLDER / name


def is_shipped_name(path: Path | str) -> bool:
    """Return whether a path is a name such as bundled:general."""
    return str(path).startswith(PREFIX)


def resolve_shipped(path: Path) -> Path:
    """Return the folder that a name such as bundled:general stands for; any other path is returned unchanged.

    Raises:
        BundleError: No bundle with this name ships.
    """
    return find_shipped(str(path).removeprefix(PREFIX)) if is_shipped_name(path) else path
