"""Pack a bundle into one file of the repository, a zip in AutoML's format, and test the zip before it is published.

The zip is not compressed (a quantized model hardly gets smaller) and has fixed dates, so the same bundle gives the same
bytes on every machine. Pushing a bundle again therefore uploads nothing, and a different bundle with the same version
is detected.
"""

import io
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.bundle.archive import write_zip
from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.version import is_version
from appliance.errors import PublishError
from appliance.labeling.probe import ProbeResult, probe

# The documents, which are optional, come last.
_FILES = ("manifest.json", "model.tflite", "dict.txt", "MODEL_CARD.md", "report.html")


@dataclass(frozen=True, slots=True)
class PackedBundle:
    """A bundle that is ready for publishing.

    Attributes:
        path: The path of its target in the repository.
        content: The zip.
        identity: The model.
        labels: The number of its labels.
        probed: The result of the test.
    """

    path: str
    content: bytes
    identity: ModelIdentity
    labels: int
    probed: ProbeResult


def pack_bundle(source: Path, version: str | None = None) -> PackedBundle:
    """Read a bundle, pack it, and test the packed file.

    Args:
        source: A folder, a .zip, or a .tflite.
        version: Replaces the bundle's version (PEP 440); an AutoML export has none.

    Raises:
        BundleError: The bundle is invalid.
        PublishError: The version is invalid.
        ProbeError: The bundle could not be tested.
    """
    bundle = read_bundle(source)
    if version is not None:
        if not is_version(version):
            raise PublishError(f"{version!r} is not a version; use the form 1.2.0 or 2.0rc1 (PEP 440)")
        bundle = replace(bundle, identity=replace(bundle.identity, version=version))
    with tempfile.TemporaryDirectory(prefix="appliance-publish-") as scratch:
        folder, file = Path(scratch, "bundle"), Path(scratch, "bundle.zip")
        write_bundle(bundle, folder)
        content = io.BytesIO()
        names = (name for name in _FILES if (folder / name).exists())
        write_zip(content, ((name, (folder / name).read_bytes()) for name in names))
        file.write_bytes(content.getvalue())
        probed = probe(file)
        return PackedBundle(
            path=f"bundles/{_escape(bundle.identity.name)}-{_escape(bundle.identity.version)}.zip",
            content=content.getvalue(),
            identity=bundle.identity,
            labels=len(bundle.labels),
            probed=probed,
        )


def _escape(text: str) -> str:
    """Convert a text into a part of a file name that needs no escaping in a URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "model"
