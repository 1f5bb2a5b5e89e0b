"""What Firebase Hosting is told about a site: how long caches may keep which file, and what is no part of it.

timestamp.json and the roots are asked for to learn of changes, so nobody may keep them; that includes the answer "not
there" for the next root. Everything else carries its version or its hash in its name and never changes. There must be no
rewrites: one to index.html would answer for a root that does not exist, and no device could update any more.
"""

import json
from pathlib import Path

from appliance.errors import PublishError
from appliance.workshop.publishing.site_files import Write

FIREBASE_JSON = {
    "hosting": {
        "public": ".",
        "ignore": ["firebase.json", "firebase-debug.log", "**/.*"],
        "headers": [
            {"source": "/metadata/timestamp.json", "headers": [{"key": "Cache-Control", "value": "no-cache"}]},
            {"source": "/metadata/*.root.json", "headers": [{"key": "Cache-Control", "value": "no-cache"}]},
            {
                "source": "/metadata/*.@(targets|snapshot).json",
                "headers": [{"key": "Cache-Control", "value": "public, max-age=31536000, immutable"}],
            },
            {
                "source": "/targets/**",
                "headers": [{"key": "Cache-Control", "value": "public, max-age=31536000, immutable"}],
            },
        ],
    }
}
# Each check asks for a root that is not there yet, so this page is what devices load most.
NOT_FOUND = b"<!doctype html><title>404</title>Not here.\n"


def write_hosting(site: Path, write: Write) -> None:
    """Writes firebase.json and 404.html, where they are not there yet: they are the operator's to change."""
    for name, content in (
        ("firebase.json", json.dumps(FIREBASE_JSON, indent=2).encode() + b"\n"),
        ("404.html", NOT_FOUND),
    ):
        if not (site / name).exists():
            write(site / name, content)


def hosting_faults(site: Path) -> list[str]:
    """What would keep devices from a site that is uploaded as it stands."""
    faults = [
        f"{file.relative_to(site)} is a private key: take it out of the site, and rotate it if it was ever uploaded"
        for file in site.rglob("*")
        if file.is_file() and file.stat().st_size < 65536 and b"PRIVATE KEY-----" in file.read_bytes()
    ]
    try:
        hosting = json.loads((site / "firebase.json").read_bytes()).get("hosting", {})
    except FileNotFoundError:
        return faults
    except (OSError, ValueError, AttributeError) as error:
        return [*faults, f"firebase.json cannot be read: {error}"]
    for one in hosting if isinstance(hosting, list) else [hosting]:
        if isinstance(one, dict) and one.get("rewrites"):
            faults.append(
                "firebase.json has rewrites: they answer for the next root, which is not there, and stop updates"
            )
    return faults


def refuse_inside(site: Path, keys: Path) -> None:
    """Raises PublishError where keys would lie in the folder that is uploaded."""
    if keys.resolve().is_relative_to(site.resolve()):
        raise PublishError(
            f"{keys} lies inside {site}, which is uploaded as it stands: keep the keys in another folder"
        )
