"""Names in addresses: what they reveal of a file, and how they become names of local files."""

import hashlib
import re
import unicodedata
from urllib.parse import unquote, urlsplit

from appliance.system.foreign_text import clean_text


def guess_manifest(url: str) -> bool | None:
    """Return whether an address is that of a manifest; None if its name does not show it."""
    name = unquote(urlsplit(url).path).lower()
    if name.endswith(".json"):
        return True
    return False if name.endswith((".zip", ".tflite", ".lite")) else None


def make_safe_name(name: str) -> str:
    """Turn a name from an address into a safe file name; letters of all scripts stay, so that names do not collide."""
    name = re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", clean_text(name, 255))).lstrip(".")
    return _shorten(name, 100) or "model"


def _shorten(name: str, max_bytes: int) -> str:
    """Return a name of at most so many bytes, with its suffix."""
    stem, dot, suffix = name.rpartition(".")
    if len(name.encode()) <= max_bytes:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    kept = (stem or suffix).encode()[: max_bytes - 20].decode(errors="ignore")
    return f"{kept}-{mark}{dot}{suffix[:10]}" if stem else f"{kept}-{mark}"
