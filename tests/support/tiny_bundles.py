"""Tiny bundles as manifest texts and zip entries, and the assertion that one is rejected."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError
from support.tiny_models import tiny_model

_MANIFEST = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt"}

Entries = Sequence[tuple[str | zipfile.ZipInfo, str | bytes]]


def manifest_text(**more: object) -> str:
    """Return the manifest of a tiny bundle with other or additional values."""
    return json.dumps({**_MANIFEST, **more})


def tiny_entries(prefix: str = "") -> list[tuple[str | zipfile.ZipInfo, str | bytes]]:
    """Return the entries of a tiny bundle's zip."""
    return [
        (f"{prefix}manifest.json", manifest_text()),
        (f"{prefix}model.tflite", tiny_model()),
        (f"{prefix}dict.txt", "red\ngreen\nblue\n"),
    ]


def write_entries(path: Path, entries: Entries) -> None:
    """Write a compressed zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)


def assert_rejected(path: Path, reason: str) -> None:
    """Assert that reading a bundle fails with a one-line error that names the path and matches the reason."""
    with pytest.raises(BundleError, match=reason) as caught:
        read_bundle(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value) and not str(caught.value).endswith(".")
