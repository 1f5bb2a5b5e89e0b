"""Read and write a model bundle in each of its forms: a folder, a zip, or a bare .tflite.

A bundle is a model with its labels and a manifest; the format is AutoML Vision Edge's export (see manifest.py).
Reading a bundle does not run the model. It checks that the files exist, match each other and are what they claim to be,
so that a model has passed every cheap check before it reaches the runtime, whose native code can crash on a bad file.
The Labeler checks properties that are known only once the model is loaded, such as the number of outputs.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.bundle.archive import MAX_UNPACKED_BYTES, TemporaryFolder, unpack
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.identity import ModelIdentity, describe_unknown_label
from appliance.bundle.label_file import parse_labels
from appliance.bundle.manifest import MAX_BYTES, Manifest, load_json, parse_manifest
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES, ModelFacts, extract_labels, read_facts
from appliance.errors import BundleError, describe_os_error

MAX_MODEL_BYTES = MAX_UNPACKED_BYTES
_MANIFEST = "manifest.json"
_TFLITE_IDENTIFIER = b"TFL3"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and passed all checks.

    Attributes:
        source: The path that was given: the folder, .zip or .tflite.
        model_file: The .tflite as a plain file; for a zip, in a private folder that is removed with the bundle.
        labels: The labels in the order of the model's output; a name may occur twice.
        identity: The name, version and hash.
        confidence_threshold: Scores below this should not be reported, 0–1; None if not declared.
        label_thresholds: The same for individual labels.
        background_label: The label for pictures without any of the other labels; it is never reported.
        created: When the bundle was made, as written in the manifest.
    """

    source: Path
    model_file: Path
    labels: tuple[str, ...]
    identity: ModelIdentity
    confidence_threshold: float | None = None
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    background_label: str | None = None
    created: str | None = None
    _unpacked: TemporaryFolder | None = field(default=None, repr=False, compare=False)

    @property
    def version(self) -> str | None:
        """The version in the manifest (PEP 440), or None if there is none."""
        return None if self.identity.version.startswith("sha256:") else self.identity.version

    def read_model(self) -> bytes:
        """Read the .tflite file, which must not have changed since the bundle was read.

        Raises:
            BundleError: The file was removed or replaced.
        """
        data = _read_file(self.model_file, MAX_MODEL_BYTES)
        if hashlib.sha256(data).hexdigest() != self.identity.sha256:
            raise BundleError(
                f"{self.model_file} was changed after it was read; try again when it is completely written"
            )
        return data


@dataclass(frozen=True, slots=True)
class _BundleFiles:
    """The files of a bundle before they are checked.

    Attributes:
        source: The path that was given.
        model_file: The .tflite file, which may be missing.
        manifest: The manifest; if there is none, an object with only the model's file name.
        manifest_name: The manifest's file name; empty if there is none.
        unpacked: The folder of an unpacked zip.
    """

    source: Path
    model_file: Path
    manifest: Manifest
    manifest_name: str = ""
    unpacked: TemporaryFolder | None = None

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


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check its files; the model is not run.

    Args:
        path: A folder, a .zip or a .tflite; the contents decide, not the name.

    Raises:
        BundleError: The bundle is rejected; the message states which file is wrong and why.
        ModelError: A zip could not be unpacked because space is missing.
    """
    path = Path(path)
    if path.is_dir():
        return _load(_find_files(path, path, None))
    if not path.is_file():
        raise BundleError(f"{path} is not a file or folder" if path.exists() else f"{path} does not exist")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {describe_os_error(error)}") from error
    # A .tflite may end with a zip (its labels), so the beginning of the file is checked first.
    if head[4:8] != _TFLITE_IDENTIFIER and (head.startswith(b"PK") or zipfile.is_zipfile(path)):
        unpacked = unpack(path)
        return _load(_find_files(unpacked.path, path, unpacked))
    matching = [
        (name, manifest)
        for name, manifest in _read_manifests(path.parent, path.parent)
        if manifest.model_file == path.name
    ]
    name, manifest = matching[0] if len(matching) == 1 else ("", Manifest(path.name))
    return _load(_BundleFiles(path, path, manifest, name))


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle in AutoML's format: manifest.json, model.tflite, dict.txt.

    The manifest contains the bundle's name and the hashes of both files, so the folder may be moved and renamed.

    Args:
        bundle: The bundle to write.
        folder: Created if missing; files with these names are replaced.

    Raises:
        BundleError: The bundle's model file is gone or was changed.
        OSError: The folder cannot be written.
    """
    model, labels = bundle.read_model(), "".join(f"{label}\n" for label in bundle.labels).encode()
    values = {
        "modelType": "IMAGE_LABELING",
        "modelFile": "model.tflite",
        "labelsFile": "dict.txt",
        "name": bundle.identity.name,
        "version": bundle.version,
        "confidenceThreshold": bundle.confidence_threshold,
        "labelThresholds": dict(bundle.label_thresholds) or None,
        "backgroundLabel": bundle.background_label,
        "sha256": {"model.tflite": bundle.identity.sha256, "dict.txt": hashlib.sha256(labels).hexdigest()},
        "created": bundle.created,
    }
    declared = {key: value for key, value in values.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / _MANIFEST).write_text(json.dumps(declared, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _find_files(folder: Path, source: Path, unpacked: TemporaryFolder | None) -> _BundleFiles:
    folder = _find_innermost_folder(folder)
    found = _read_manifests(folder, source)
    if (folder / _MANIFEST).is_file():
        text = _read_file(folder / _MANIFEST, MAX_BYTES)
        found = [(_MANIFEST, parse_manifest(text, f"{source}: {_MANIFEST}"))]
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise BundleError(f"{source} contains several bundles ({names}); give the .tflite file of one of them")
    if found:
        name, manifest = found[0]
        return _BundleFiles(source, folder / manifest.model_file, manifest, name, unpacked)
    models = sorted(folder.glob("*.tflite"))
    if not models:
        raise BundleError(f"{source} is not a model bundle: it contains neither a manifest.json nor a .tflite file")
    if len(models) > 1:
        names = ", ".join(model.name for model in models[:5])
        raise BundleError(f"{source} contains {len(models)} models ({names}), but no manifest.json that selects one")
    return _BundleFiles(source, models[0], Manifest(models[0].name), unpacked=unpacked)


def _find_innermost_folder(folder: Path) -> Path:
    """Descend through folders that contain only one folder, because zips are often packed that way."""
    while True:
        try:
            entries = [
                entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"
            ]
        except OSError as error:
            raise BundleError(f"{folder} cannot be read: {describe_os_error(error)}") from error
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            return folder
        folder = entries[0]


def _read_manifests(folder: Path, source: Path) -> list[tuple[str, Manifest]]:
    """Read the manifests in a folder, under any file name (the iOS export uses automl_…_manifest.json)."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            text = _read_file(file, MAX_BYTES)
            values = load_json(text, file.name)
        except BundleError:
            continue
        if isinstance(values, dict) and "modelFile" in values:
            found.append((file.name, parse_manifest(text, f"{source}: {file.name}")))
    return found


def _load(files: _BundleFiles) -> Bundle:
    """Read the model and its labels and check them against the manifest."""
    manifest = files.manifest
    if not files.model_file.is_file():
        raise BundleError(f"{files.manifest_display_name}: its modelFile {manifest.model_file!r} is missing")
    model = _read_file(files.model_file, MAX_MODEL_BYTES)
    _check_hashes(files)
    facts = _check_model(model, files.model_display_name)
    labels = _load_labels(files, model, facts)
    for label in [*manifest.label_thresholds, *filter(None, [manifest.background_label])]:
        if label not in labels:
            key = "labelThresholds" if label in manifest.label_thresholds else "backgroundLabel"
            raise BundleError(f"{files.manifest_display_name}: {key}: {describe_unknown_label(label, labels)}")
    threshold = manifest.confidence_threshold
    if threshold is None and facts.score_threshold is not None and 0 <= facts.score_threshold <= 1:
        threshold = facts.score_threshold
    sha256 = hashlib.sha256(model).hexdigest()
    absolute = files.source.resolve()
    name = manifest.name or (absolute.name if absolute.is_dir() else absolute.stem)
    return Bundle(
        source=files.source,
        model_file=files.model_file,
        labels=labels,
        identity=ModelIdentity(name, manifest.version or f"sha256:{sha256[:12]}", sha256),
        confidence_threshold=threshold,
        label_thresholds=manifest.label_thresholds,
        background_label=manifest.background_label,
        created=manifest.created,
        _unpacked=files.unpacked,
    )


def _check_hashes(files: _BundleFiles) -> None:
    for name, expected in files.manifest.sha256.items():
        file = files.folder / name
        if not file.is_file():
            raise BundleError(f"{files.manifest_display_name}: {name!r} is listed in sha256 but missing")
        if hashlib.sha256(_read_file(file, MAX_MODEL_BYTES)).hexdigest() != expected:
            raise BundleError(
                f"{files.manifest_display_name}: {name!r} does not match its sha256; the file was damaged or replaced"
            )


def _check_model(model: bytes, display_name: str) -> ModelFacts:
    if not model:
        raise BundleError(f"{display_name} is empty")
    if model[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BundleError(f"{display_name} is a web page, not a model; the server may have sent an error page instead")
    if model[4:8] != _TFLITE_IDENTIFIER:
        raise BundleError(f"{display_name} is not a TFLite model: it lacks the identifier TFL3")
    try:
        return read_facts(model)
    except MalformedError as error:
        raise BundleError(f"{display_name} is damaged or truncated: {error}") from error


def _load_labels(files: _BundleFiles, model: bytes, facts: ModelFacts) -> tuple[str, ...]:
    """Load the labels from the file in the manifest, from inside the model, or from a file next to the model."""
    display_name, labels_file = files.model_display_name, files.manifest.labels_file
    if labels_file is not None:
        if not (files.folder / labels_file).is_file():
            raise BundleError(f"{display_name}: the label file {labels_file!r} given in its manifest is missing")
        text = _read_file(files.folder / labels_file, MAX_LABEL_FILE_BYTES)
        return parse_labels(text, f"{display_name}: {labels_file}")
    try:
        packed = extract_labels(model, facts)
    except MalformedError as error:
        raise BundleError(f"{display_name} has no readable labels: {error}") from error
    if packed is not None:
        return parse_labels(packed[1], f"{display_name}: {packed[0]} inside it")
    stem = files.model_file.stem
    names = [f"{stem}.txt", f"{stem}_labels.txt", f"{stem}-labels.txt", "dict.txt", "labels.txt"]
    for name in names:
        file = files.model_file.parent / name
        if file.is_file():
            return parse_labels(_read_file(file, MAX_LABEL_FILE_BYTES), f"{display_name}: {name} next to it")
    shapes = " and ".join(str(list(shape)) for shape in facts.output_shapes)
    raise BundleError(
        f"{display_name} is not an image classifier, or its labels are missing: it contains none, its output is "
        f"{shapes}, and none of {', '.join(names)} is next to it; add a label file with one line for each output"
    )


def _read_file(file: Path, limit_bytes: int) -> bytes:
    try:
        if file.stat().st_size > limit_bytes:
            raise BundleError(
                f"{file} has {file.stat().st_size >> 20} MiB, more than the limit of {limit_bytes >> 20} MiB"
            )
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {describe_os_error(error)}") from error
