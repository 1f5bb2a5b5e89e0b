"""A bundle as one file of the repository: a zip in AutoML's form, tried out before it may go anywhere.

The zip is stored, not compressed (a quantised model hardly gets smaller), with fixed times: the same bundle makes the
same bytes on every machine, so pushing it again uploads nothing, and another one under the same version is noticed.
"""

import io
import re
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.version import is_version
from appliance.errors import PublishError
from appliance.labeling.probe import ProbeResult, probe

_FILES = ("manifest.json", "model.tflite", "dict.txt")


@dataclass(frozen=True, slots=True)
class PackedBundle:
    """A bundle that is ready to be published.

    Attributes:
        path: Its target's name in the repository.
        content: The zip.
        identity: The model.
        labels: How many it has.
        probed: How it did when it was tried.
    """

    path: str
    content: bytes
    identity: ModelIdentity
    labels: int
    probed: ProbeResult


def pack_bundle(source: Path, version: str | None = None) -> PackedBundle:
    """Reads a bundle, packs it and tries what was packed.

    Args:
        source: A folder, a .zip or a .tflite.
        version: Instead of the bundle's own (PEP 440); an export of AutoML has none.

    Raises:
        BundleError: It is no good bundle.
        PublishError: The version is none.
        ProbeError: It could not be tried.
    """
    bundle = read_bundle(source)
    if version is not None:
        if not is_version(version):
            raise PublishError(f"{version!r} is not a version: write it as 1.2.0 or 2.0rc1 (PEP 440)")
        bundle = replace(bundle, identity=replace(bundle.identity, version=version))
    with tempfile.TemporaryDirectory(prefix="appliance-publish-") as scratch:
        folder, file = Path(scratch, "bundle"), Path(scratch, "bundle.zip")
        write_bundle(bundle, folder)
        file.write_bytes(_zipped(folder))
        probed = probe(file)
        return PackedBundle(
            path=f"bundles/{_plain(bundle.identity.name)}-{_plain(bundle.identity.version)}.zip",
            content=file.read_bytes(),
            identity=bundle.identity,
            labels=len(bundle.labels),
            probed=probed,
        )


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in _FILES:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, (folder / name).read_bytes())
    return content.getvalue()


def _plain(text: str) -> str:
    """A text as part of a file name that needs no escape in an address."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "model"
