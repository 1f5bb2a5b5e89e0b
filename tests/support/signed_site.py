"""A signed repository for tests, a device that uses it, and an attacker who has some of its keys.

The site is made by the project's own publishing code, with real keys, in a folder that a real server serves; no part of
the signing or verification is replaced.
"""

import copy
import io
import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile

from appliance.repository.channel import Channel, ChannelEntry, channel_path, encode_channel
from appliance.settings.schema import UpdateSettings
from appliance.transport.http import Http, HttpLimits
from appliance.updates.sources.repository import RepositorySource
from appliance.updates.sources.traits import read_traits
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.signed_site import DEFAULT_LIFETIME, SignedSite
from support import made_models

QUICK = HttpLimits(connect_s=2, silence_s=1, answer_s=3, download_s=5, slow_bytes_per_s=2000, slow_window_s=0.5)


def bundle_zip(version: str) -> bytes:
    """Return a bundle as one zip file."""
    manifest = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt", "name": "colours"}
    files = {
        "manifest.json": json.dumps(manifest | {"version": version}).encode(),
        "model.tflite": made_models.good(sum(version.encode())),
        "dict.txt": "\n".join(made_models.LABELS).encode() + b"\n",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


class Operator:
    """An operator with a site and its keys in a folder."""

    def __init__(self, folder: Path, now: datetime | None = None):
        self.site, self.keys = folder / "site", folder / "keys"
        self.publisher(now=now, trust_clock=now is not None).init()
        self.root = folder / "root.json"
        shutil.copy(self.keys / "root.json", self.root)  # the root with which devices were installed

    def publisher(self, **options) -> SitePublisher:
        return SitePublisher(self.site, KeyFolder(self.keys), **options)

    def put(
        self,
        *versions: str,
        channel: str = "stable",
        now: datetime | None = None,
        lifetime: timedelta = DEFAULT_LIFETIME,
        **entry,
    ) -> None:
        """Publish bundles without testing them; the channel names the first for everyone, or as `entry` specifies."""
        with SignedSite(self.site) as site:
            for version in versions:
                content = bundle_zip(version)
                site.put(f"bundles/colours-{version}.zip", content, {"name": "colours", "version": version})
            first = ChannelEntry(f"bundles/colours-{versions[0]}.zip", versions[0], **entry)
            site.put(channel_path(channel), encode_channel(Channel("f00d", (first,))))
            site.publish(KeyFolder(self.keys), now or datetime.now(UTC), lifetime)

    def file(self, role: str) -> Path:
        """Return the newest metadata file of a role."""
        if role == "timestamp":
            return self.site / "metadata" / "timestamp.json"
        return max((self.site / "metadata").glob(f"*.{role}.json"), key=lambda file: int(file.name.split(".")[0]))

    def target(self, pattern: str) -> Path:
        return next((self.site / "targets").rglob(pattern))

    def stolen(self, role: str) -> CryptoSigner:
        """Return a role's key, as if an attacker had stolen it."""
        folder = self.keys / "root" if role == "root" else self.keys
        file = next(iter([*folder.glob(f"{role}-*.pem")]))
        return CryptoSigner(load_pem_private_key(file.read_bytes(), None))


def forge(file: Path, signer: CryptoSigner | None, to: Path | None = None, **changes) -> bytes:
    """Change metadata as an attacker would, and sign it if there is a key; otherwise keep the old signature."""
    metadata = Metadata.from_bytes(file.read_bytes())
    for name, value in changes.items():
        setattr(metadata.signed, name, value)
    if signer is not None:
        metadata.signatures.clear()
        metadata.sign(signer)
    content = metadata.to_bytes()
    (to or file).write_bytes(content)
    return content


def named(file: Path) -> MetaFile:
    """Return the entry by which other metadata refers to a file."""
    content = file.read_bytes()
    return MetaFile.from_data(Metadata.from_bytes(content).signed.version, content, ["sha256"])


class Device:
    """A device's repository source, with a persistent state folder."""

    def __init__(self, folder: Path, root: Path, url: str, name: str = "pi-1", **settings):
        self.folder, self.name = folder, name
        self.settings = UpdateSettings(source="repository", url=url, root=root, **settings)
        folder.mkdir(parents=True, exist_ok=True)

    def source(self) -> RepositorySource:
        return RepositorySource(self.settings, self.name, self.folder / "repository", Http(QUICK), read_traits())

    def check(self):
        """Return what is offered; for the source, each call is like a new process."""
        source = self.source()
        try:
            return source.check()
        finally:
            source.close()

    def version(self) -> str | None:
        offer = self.check()
        return offer and offer.version

    def fetch(self, progress=lambda got, of: None) -> Path:
        """Check, and download the offer."""
        source = self.source()
        try:
            offer = source.check()
            (self.folder / "fetched").mkdir(exist_ok=True)
            return source.fetch(offer, self.folder / "fetched", progress)
        finally:
            source.close()

    def copy(self, folder: Path) -> "Device":
        """Return another device with the same trusted metadata."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        return other
