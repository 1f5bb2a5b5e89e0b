"""Find the model file and the manifest of a bundle in a folder, a zip, or next to a bare .tflite."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle.archive import MAX_UNPACKED_BYTES, TemporaryFolder, unpack
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.foreign_formats import describe_archive, describe_file, describe_folder
from appliance.bundle.graph_check import is_edge_tpu_model
from appliance.bundle.manifest import MAX_BYTES, Manifest, load_json, parse_manifest
from appliance.bundle.tflite_metadata import read_facts
from appliance.errors import BundleError, describe_unreadable
from appliance.system.regular_files import read_regular_file
from appliance.system.shipped import resolve_shipped

MAX_MODEL_BYTES = MAX_UNPACKED_BYTES
MANIFEST_NAME = "manifest.json"
TFLITE_IDENTIFIER = b"TFL3"
MODEL_SUFFIXES = (".tflite", ".lite")
_HEAD_BYTES = 512
_SHOWN_MODELS = 8


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """The files of a bundle before they are checked.

    Attributes:
        source: The path that was given.
        model_file: The .tflite file, which may be missing.
        manifest: The manifest; if there is none, an object with only the model's file name.
        manifest_name: The manifest's file name; empty if there is none.
        unpacked: The folder of an unpacked zip.
        notes: What is unusual about the choice of the model file, for people.
    """

    source: Path
    model_file: Path
    manifest: Manifest
    manifest_name: str = ""
    unpacked: TemporaryFolder | None = None
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that the paths in the manifest are relative to."""
        return self.model_file.parents[len(Path(self.manifest.model_file).parts) - 1]

    @property
    def manifest_display_name(self) -> str:
        """The manifest's name for errors."""
        return f"{self.source}: {self.manifest_name}"

    @property
    def model_display_name(self) -> str:
        """The model's name for errors; inside a zip, the path is relative to the zip."""
        return str(self.model_file) if self.unpacked is None else f"{self.source}: {self.manifest.model_file}"


def find_bundle_files(path: Path) -> BundleFiles:
    """Find the files of a bundle.

    Args:
        path: A folder, a .zip or a .tflite; the contents decide, not the name. Or bundled:general, bundled:flowers.

    Raises:
        BundleError: There is no model, or more than one; the message names them.
        ModelError: A zip could not be unpacked because space is missing.
    """
    path = resolve_shipped(path)
    try:
        if path.is_dir():
            os.scandir(path).close()
            return _find_in_folder(path, path, None)
        if not path.is_file():
            raise BundleError(f"{path} is not a file or folder" if path.exists() else f"{path} does not exist")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BundleError(describe_unreadable(path, error)) from error
    # A .tflite may end with a zip (its labels), so the beginning of the file is checked first.
    if head[4:8] != TFLITE_IDENTIFIER and (head.startswith(b"PK") or zipfile.is_zipfile(path)):
        if description := describe_archive(path):
            raise BundleError(f"{path} is not a TFLite model: {description}")
        unpacked = unpack(path)
        return _find_in_folder(unpacked.path, path, unpacked)
    if head[4:8] != TFLITE_IDENTIFIER and (description := describe_file(head, path.name)):
        raise BundleError(f"{path} is {description}")
    matching = [
        (name, manifest)
        for name, manifest in _read_manifests(path.parent, path.parent)
        if manifest.model_file == path.name
    ]
    name, manifest = matching[0] if len(matching) == 1 else ("", Manifest(path.name))
    return BundleFiles(path, path, manifest, name)


def read_file(file: Path, limit_bytes: int) -> bytes:
    """Read a file of a bundle.

    Raises:
        BundleError: The file is too large or cannot be read.
    """
    try:
        if file.stat().st_size > limit_bytes:
            raise BundleError(
                f"{file} has {file.stat().st_size >> 20} MiB, more than the limit of {limit_bytes >> 20} MiB"
            )
        return read_regular_file(file, limit_bytes)
    except OSError as error:
        raise BundleError(describe_unreadable(file, error)) from error


def _find_in_folder(folder: Path, source: Path, unpacked: TemporaryFolder | None) -> BundleFiles:
    folder = _find_innermost_folder(folder)
    found = _read_manifests(folder, source)
    if (folder / MANIFEST_NAME).is_file():
        text = read_file(folder / MANIFEST_NAME, MAX_BYTES)
        found = [(MANIFEST_NAME, parse_manifest(text, f"{source}: {MANIFEST_NAME}"))]
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise BundleError(f"{source} contains several bundles ({names}); give the .tflite file of one of them")
    if found:
        name, manifest = found[0]
        return BundleFiles(source, folder / manifest.model_file, manifest, name, unpacked)
    models = sorted(file for file in folder.iterdir() if file.suffix.lower() in MODEL_SUFFIXES and file.is_file())
    if not models:
        description = describe_folder(folder)
        raise BundleError(
            f"{source} is not a TFLite model: {description}"
            if description
            else f"{source} is not a model bundle: it contains neither a manifest.json nor a .tflite file"
        )
    model, notes = _choose_model(models, source)
    return BundleFiles(source, model, Manifest(model.name), unpacked=unpacked, notes=notes)


def _choose_model(models: list[Path], source: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the only model of a folder that can run here, and a note if others were left out."""
    if len(models) == 1:
        return models[0], ()
    runnable = [model for model in models if not _is_for_edge_tpu(model)]
    if len(runnable) == 1:
        others = "the other model in the folder is" if len(models) == 2 else "the other models in the folder are"
        return runnable[0], (f"{runnable[0].name} is used; {others} for the Edge TPU",)
    names = ", ".join(model.name for model in models[:_SHOWN_MODELS]) + (", …" if len(models) > _SHOWN_MODELS else "")
    raise BundleError(
        f"{source} contains {len(models)} models ({names}), but no manifest.json that selects one; give the path of "
        "one of them"
    )


def _is_for_edge_tpu(model: Path) -> bool:
    try:
        return is_edge_tpu_model(read_facts(read_file(model, MAX_MODEL_BYTES)))
    except (BundleError, MalformedError):
        return False


def _find_innermost_folder(folder: Path) -> Path:
    """Descend through folders that contain only one folder, because zips are often packed that way."""
    while True:
        try:
            entries = [
                entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"
            ]
        except OSError as error:
            raise BundleError(describe_unreadable(folder, error)) from error
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            return folder
        folder = entries[0]


def _read_manifests(folder: Path, source: Path) -> list[tuple[str, Manifest]]:
    """Read the manifests in a folder, under any file name (the iOS export uses automl_…_manifest.json)."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            text = read_file(file, MAX_BYTES)
            values = load_json(text, file.name)
        except BundleError:
            continue
        if isinstance(values, dict) and "modelFile" in values:
            found.append((file.name, parse_manifest(text, f"{source}: {file.name}")))
    return found
