"""Bundles made for the tests of the store and the probe."""

import io
import json
import zipfile
from pathlib import Path

from support import made_models


def bundle_folder(folder: Path, name="colours", version="1.0", model=None, labels=made_models.LABELS, **more) -> Path:
    """Writes a bundle in AutoML's form and returns its folder."""
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
    """A bundle's folder as one file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return content.getvalue()
