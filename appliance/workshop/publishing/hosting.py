"""Configure Firebase Hosting for a site: how long caches may keep which files, and which files are not uploaded.

Devices detect changes by requesting timestamp.json and the roots, so caches must not keep these, nor the 404 response
for the next root. Every other file has its version or hash in its name and never changes. There must be no rewrites: a
rewrite to index.html would also apply to a root that does not exist, and no device could update anymore.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.errors import PublishError
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.workshop.publishing.site_files import WriteFile

_NO_CACHE = [{"key": "Cache-Control", "value": "no-cache"}]
_IMMUTABLE = [{"key": "Cache-Control", "value": "public, max-age=31536000, immutable"}]

FIREBASE_FILES = ("firebase.json", "firebase-debug.log")
"""Files for Firebase's command, which are not uploaded."""
FIREBASE_JSON = {
    "hosting": {
        "public": ".",
        "ignore": [*FIREBASE_FILES, "**/.*"],
        "headers": [
            {"source": "/metadata/timestamp.json", "headers": _NO_CACHE},
            {"source": "/metadata/*.root.json", "headers": _NO_CACHE},
            {"source": "/metadata/*.@(targets|snapshot).json", "headers": _IMMUTABLE},
            {"source": "/targets/**", "headers": _IMMUTABLE},
        ],
    }
}
# Each check requests a root that does not exist yet, so devices load this page more often than any other file.
NOT_FOUND = b"<!doctype html><title>404</title>Not here.\n"

_FILES = {"firebase.json": json.dumps(FIREBASE_JSON, indent=2).encode() + b"\n", "404.html": NOT_FOUND}
_MAX_KEY_BYTES = 65536
_IS_PRIVATE = "is a private key; remove it from the site, and rotate it if it was ever uploaded"


def write_hosting(site: Path, write: WriteFile) -> None:
    """Write firebase.json and 404.html if they do not exist, because the operator may have changed them."""
    for name, content in _FILES.items():
        if not (site / name).exists():
            write(site / name, content)


def has_hosting(site: Path) -> bool:
    """Return whether `write_hosting` has nothing to write."""
    return all((site / name).exists() for name in _FILES)


def find_hosting_faults(site: Path) -> list[str]:
    """Return the problems that would prevent devices from using the site if it were uploaded as it is."""
    faults = [f"{file.relative_to(site)} {_IS_PRIVATE}" for file in find_private_keys(site)]
    try:
        hosting: Any = parse_json((site / "firebase.json").read_bytes()).get("hosting", {})
    except FileNotFoundError:
        return faults
    except (OSError, ValueError, AttributeError) as error:
        return [*faults, f"firebase.json cannot be read: {clean_text(str(error), 200)}"]
    configs = hosting if isinstance(hosting, list) else [hosting]
    if any(isinstance(config, dict) and config.get("rewrites") for config in configs):
        faults.append(
            "firebase.json has rewrites, which answer requests for the next root and stop all updates; remove them"
        )
    return faults


def find_private_keys(site: Path) -> Iterator[Path]:
    """Yield the files of a site that contain a private key, also in hidden folders, which most hosts serve.

    Raises:
        OSError: A file cannot be read.
    """
    for file in sorted(site.rglob("*")):
        if file.is_file() and file.stat().st_size < _MAX_KEY_BYTES and b"PRIVATE KEY-----" in file.read_bytes():
            yield file


def require_no_keys_inside(site: Path) -> None:
    """Raise PublishError if a file of the site contains a private key."""
    for file in find_private_keys(site):
        raise PublishError(f"{file} {_IS_PRIVATE}")


def require_keys_outside(site: Path, keys: Path) -> None:
    """Raise PublishError if the keys would be inside the uploaded folder."""
    if keys.resolve().is_relative_to(site.resolve()):
        raise PublishError(f"{keys} is inside {site}, which is uploaded as a whole; keep the keys in another folder")
