"""Bundle folders with a made model, for the tests of the store, the probe and the updater."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from support import made_models


def bundle_folder(
    folder: Path,
    name: str | None = "colours",
    version: str | None = "1.0",
    model: bytes | None = None,
    labels: Sequence[str] = made_models.LABELS,
    **more: object,
) -> Path:
    """Write a bundle in AutoML's format and return its folder; a value of None omits the manifest's key."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(made_models.good() if model is None else model)
    (folder / "dict.txt").write_text("\n".join(labels) + "\n")
    manifest = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt"}
    manifest |= {"name": name, "version": version, **more}
    (folder / "manifest.json").write_text(
        json.dumps({key: value for key, value in manifest.items() if value is not None})
    )
    return folder


def zipped(folder: Path) -> bytes:
    """Return a zip of a bundle's folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return content.getvalue()
