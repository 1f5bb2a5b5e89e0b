"""A model bundle, in each form it comes in: a folder, a zip, or a bare .tflite.

A bundle is a model with its labels and what it says of itself; the form is AutoML Vision Edge's export (see
manifest.py). Reading one runs nothing: it checks that the files are there, belong together and are what they claim
to be, so that what reaches the runtime, whose native code can crash on a bad file, has passed every cheap test.
What only the loaded model can tell (such as the number of its outputs) the Labeler checks.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from appliance.bundle import manifest as manifests
from appliance.bundle.archive import MAX_UNPACKED_BYTES, TemporaryFolder, unpack
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.identity import ModelIdentity, describe_unknown_label
from appliance.bundle.label_file import parse_labels
from appliance.bundle.manifest import Manifest
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES, ModelFacts, extract_labels, read_facts
from appliance.errors import BundleError

MAX_MODEL_BYTES = MAX_UNPACKED_BYTES


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and found whole.

    Attributes:
        source: What was given: the folder, .zip or .tflite.
        model_file: The .tflite as a plain file; of a zip, in a private folder that goes when the bundle does.
        labels: In the order of the model's output; a name may occur twice.
        identity: Its name, version and hash.
        confidence_threshold: Scores below it should not be reported, 0–1; None: not said.
        label_thresholds: The same for single labels.
        background_label: The label that means nothing is there and is never reported.
        created: When it was made, as the manifest writes it.
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
        """The version its manifest gives (PEP 440), None where it gives none."""
        return None if self.identity.version.startswith("sha256:") else self.identity.version

    def read_model(self) -> bytes:
        """The .tflite file's bytes, as they were when the bundle was read.

        Raises:
            BundleError: The file is gone, or another one is in its place.
        """
        data = _read(self.model_file, MAX_MODEL_BYTES)
        if hashlib.sha256(data).hexdigest() != self.identity.sha256:
            raise BundleError(f"{self.model_file} was changed after it was read; try again once it is written.")
        return data


def read_bundle(path: Path) -> Bundle:
    """Reads a bundle and checks its files; the model is not run.

    Args:
        path: A folder, a .zip or a .tflite; the contents decide, not the name.

    Raises:
        BundleError: It is refused; the sentence says which file and why.
        ModelError: A zip could not be unpacked for want of room.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, path, None)
    if not path.is_file():
        raise BundleError(f"{path} is not a file or folder." if path.exists() else f"{path} does not exist.")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from error
    # A .tflite may end in a zip (its labels), so what it begins with is looked at first.
    if head[4:8] != b"TFL3" and (head.startswith(b"PK") or zipfile.is_zipfile(path)):
        unpacked = unpack(path)
        return _read_folder(unpacked.path, path, unpacked)
    beside = [found for found in _manifests(path.parent, path.parent) if found[1].model_file == path.name]
    return _assemble(path, path, beside[0] if len(beside) == 1 else None, None)


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Writes a bundle in AutoML's form: manifest.json, model.tflite, dict.txt.

    The manifest carries the bundle's name and the hashes of both files, so that the folder may be moved and renamed.

    Args:
        bundle: What to write.
        folder: Made where it is missing; files of these names in it are replaced.

    Raises:
        BundleError: The bundle's model file is gone or was changed.
        OSError: The folder cannot be written to.
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
    said = {key: value for key, value in values.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / "manifest.json").write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_folder(folder: Path, source: Path, unpacked: TemporaryFolder | None) -> Bundle:
    folder = _innermost(folder)
    found = _manifests(folder, source)
    if (folder / "manifest.json").is_file():
        text = _read(folder / "manifest.json", manifests.MAX_BYTES)
        found = [("manifest.json", manifests.parse_manifest(text, f"{source}: manifest.json"))]
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise BundleError(f"{source} holds several bundles ({names}); name the .tflite file of one.")
    if found:
        return _assemble(source, folder / found[0][1].model_file, found[0], unpacked)
    models = sorted(folder.glob("*.tflite"))
    if not models:
        raise BundleError(f"{source} is not a model bundle: it holds neither a manifest.json nor a .tflite file.")
    if len(models) > 1:
        names = ", ".join(model.name for model in models[:5])
        raise BundleError(
            f"{source} holds {len(models)} models ({names}) and no manifest.json says which one is meant."
        )
    return _assemble(source, models[0], None, unpacked)


def _innermost(folder: Path) -> Path:
    """Steps into a folder that holds nothing but one folder: zips are often packed that way."""
    while True:
        try:
            inside = [
                entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name != "__MACOSX"
            ]
        except OSError as error:
            raise BundleError(f"{folder} cannot be read: {error.strerror}.") from error
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].is_symlink():
            return folder
        folder = inside[0]


def _manifests(folder: Path, source: Path) -> list[tuple[str, Manifest]]:
    """The manifests in a folder, whatever their file names (the iOS export calls its own automl_…_manifest.json)."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            text = _read(file, manifests.MAX_BYTES)
            values = manifests.load_json(text, file.name)
        except BundleError:
            continue
        if isinstance(values, dict) and "modelFile" in values:
            found.append((file.name, manifests.parse_manifest(text, f"{source}: {file.name}")))
    return found


def _assemble(
    source: Path, model_file: Path, found: tuple[str, Manifest] | None, unpacked: TemporaryFolder | None
) -> Bundle:
    """Reads the model and its labels and holds them against the manifest."""
    where, manifest = found or ("", Manifest(model_file.name))
    where = f"{source}: {where}"
    folder = model_file.parents[len(Path(manifest.model_file).parts) - 1]
    if not model_file.is_file():
        raise BundleError(f"{where}: its modelFile {manifest.model_file!r} is not there.")
    model = _read(model_file, MAX_MODEL_BYTES)
    for name, expected in manifest.sha256.items():
        if not (folder / name).is_file():
            raise BundleError(f"{where}: {name!r}, whose sha256 it gives, is not there.")
        if hashlib.sha256(_read(folder / name, MAX_MODEL_BYTES)).hexdigest() != expected:
            raise BundleError(f"{where}: {name!r} has another sha256 than it says: the file was damaged or replaced.")
    shown = model_file if unpacked is None else f"{source}: {manifest.model_file}"
    facts = _check_model(model, shown)
    labels = _labels(model, facts, model_file, folder, manifest, shown)
    for label in [*manifest.label_thresholds, *filter(None, [manifest.background_label])]:
        if label not in labels:
            key = "labelThresholds" if label in manifest.label_thresholds else "backgroundLabel"
            raise BundleError(f"{where}: {key}: {unknown_label(label, labels)}.")
    threshold = manifest.confidence_threshold
    if threshold is None and facts.score_threshold is not None and 0 <= facts.score_threshold <= 1:
        threshold = facts.score_threshold
    sha256 = hashlib.sha256(model).hexdigest()
    absolute = source.resolve()
    name = manifest.name or (absolute.name if absolute.is_dir() else absolute.stem)
    return Bundle(
        source=source,
        model_file=model_file,
        labels=labels,
        identity=ModelIdentity(name, manifest.version or f"sha256:{sha256[:12]}", sha256),
        confidence_threshold=threshold,
        label_thresholds=manifest.label_thresholds,
        background_label=manifest.background_label,
        created=manifest.created,
        _unpacked=unpacked,
    )


def _check_model(model: bytes, shown: Path | str) -> ModelFacts:
    if not model:
        raise BundleError(f"{shown} is empty.")
    if model[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise BundleError(f"{shown} is a web page, not a model: the server may have sent an error page in its place.")
    if model[4:8] != b"TFL3":
        raise BundleError(
            f"{shown} is not a TFLite model: it does not carry the mark TFL3 that each of them begins with."
        )
    try:
        return read_facts(model)
    except MalformedError as error:
        raise BundleError(f"{shown} is damaged or cut short: {error}.") from error


def _labels(
    model: bytes, facts: ModelFacts, model_file: Path, folder: Path, manifest: Manifest, shown: Path | str
) -> tuple[str, ...]:
    """The labels: from the file the manifest names, else from inside the model, else from a file beside it."""
    if manifest.labels_file is not None:
        if not (folder / manifest.labels_file).is_file():
            raise BundleError(f"{shown}: the label file {manifest.labels_file!r} that its manifest names is not there.")
        return parse_labels(
            _read(folder / manifest.labels_file, MAX_LABEL_FILE_BYTES), f"{shown}: {manifest.labels_file}"
        )
    try:
        packed = extract_labels(model, facts)
    except MalformedError as error:
        raise BundleError(f"{shown} has no labels that can be read: {error}.") from error
    if packed is not None:
        return parse_labels(packed[1], f"{shown}: {packed[0]} inside it")
    stem = model_file.stem
    names = [f"{stem}.txt", f"{stem}_labels.txt", f"{stem}-labels.txt", "dict.txt", "labels.txt"]
    for name in names:
        if (model_file.parent / name).is_file():
            return parse_labels(_read(model_file.parent / name, MAX_LABEL_FILE_BYTES), f"{shown}: {name} beside it")
    shapes = " and ".join(str(list(shape)) for shape in facts.output_shapes)
    raise BundleError(
        f"{shown} is not an image classifier, or its labels are missing: it carries none, its output is {shapes}, and "
        f"none of {', '.join(names)} is beside it. A classifier needs one label a line for each output."
    )


def _read(file: Path, limit_bytes: int) -> bytes:
    try:
        if file.stat().st_size > limit_bytes:
            raise BundleError(
                f"{file} has {file.stat().st_size >> 20} MiB, more than the {limit_bytes >> 20} MiB that are read."
            )
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}.") from error
