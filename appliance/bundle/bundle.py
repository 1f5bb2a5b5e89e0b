"""Read and write a model bundle in each of its forms: a folder, a zip, or a bare .tflite.

A bundle is a model with its labels and a manifest; the format is AutoML Vision Edge's export (see manifest.py).
Reading a bundle does not run the model. It checks that the files exist, match each other and are what they claim to be,
so that a model has passed every cheap check before it reaches the runtime, whose native code can crash on a bad file.
The Labeler checks properties that are known only once the model is loaded, such as the type of the output.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.bundle.archive import TemporaryFolder
from appliance.bundle.documents import read_documents, write_documents
from appliance.bundle.export_files import ExportFacts, read_export_file
from appliance.bundle.files import (
    MANIFEST_NAME,
    MAX_MODEL_BYTES,
    TFLITE_IDENTIFIER,
    BundleFiles,
    find_bundle_files,
    read_file,
)
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.foreign_formats import describe_file
from appliance.bundle.graph_check import check_graph
from appliance.bundle.identity import ModelIdentity, describe_unknown_label
from appliance.bundle.input_spec import METADATA, DeclaredInput, InputSpec, check_normalization, combine
from appliance.bundle.label_file import clean_labels, parse_labels, strip_numbers
from appliance.bundle.label_search import FoundLabels, describe_misfit, find_labels, fits
from appliance.bundle.provenance import Provenance
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES, ModelFacts, extract_labels, read_facts
from appliance.errors import BundleError
from appliance.system.foreign_text import clean_text

MAX_NAME_CHARS = 64
_MAX_CREATED_CHARS = 64
_MAX_DESCRIPTION_CHARS = 400
# ImageNet's 1,000 classes, after one that stands for none of them.
_IMAGENET_OUTPUTS = 1001


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
        input: How a picture becomes the model's input, and what states that.
        description: What the model knows and does not know, as written in the manifest.
        notes: Decisions that the user should know of, such as which of several files was used; for people.
        provenance: Where the model is from, as written in the manifest.
        folder: The folder of the bundle, which may contain documents; None for a .tflite among other files.
    """

    source: Path
    model_file: Path
    labels: tuple[str, ...]
    identity: ModelIdentity
    confidence_threshold: float | None = None
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    background_label: str | None = None
    created: str | None = None
    input: InputSpec = field(default_factory=InputSpec)
    description: str | None = None
    notes: tuple[str, ...] = ()
    provenance: Provenance | None = None
    folder: Path | None = field(default=None, compare=False)
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
        data = read_file(self.model_file, MAX_MODEL_BYTES)
        if hashlib.sha256(data).hexdigest() != self.identity.sha256:
            raise BundleError(
                f"{self.model_file} was changed after it was read; try again when it is completely written"
            )
        return data

    def clean(self) -> "Bundle":
        """Return the bundle with control characters removed from its texts, which are bounded.

        Raises:
            BundleError: A label consists of control characters only.
        """
        source = str(self.source)
        labels = clean_labels(self.labels, source)
        renamed = dict(zip(self.labels, labels, strict=True))
        name = clean_text(self.identity.name, MAX_NAME_CHARS) or "model"
        background = self.background_label
        return dataclasses.replace(
            self,
            labels=labels,
            identity=dataclasses.replace(self.identity, name=name),
            label_thresholds={renamed[label]: value for label, value in self.label_thresholds.items()},
            background_label=None if background is None else renamed[background],
            created=None if self.created is None else clean_text(self.created, _MAX_CREATED_CHARS),
            description=clean_text(self.description or "", _MAX_DESCRIPTION_CHARS) or None,
        )


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check its files; the model is not run.

    Indexes before the labels of a label file are removed, and all texts are cleaned and bounded.

    Args:
        path: A folder, a .zip or a .tflite; the contents decide, not the name.

    Raises:
        BundleError: The bundle is rejected; the message states which file is wrong and why.
        ModelError: A zip could not be unpacked because space is missing.
    """
    return _load(find_bundle_files(Path(path)), is_stored=False).clean()


def read_stored_bundle(path: Path) -> Bundle:
    """Read a bundle that `write_bundle` wrote, with its texts exactly as they are, so that its key can be checked.

    Raises:
        BundleError: As in `read_bundle`.
    """
    return _load(find_bundle_files(Path(path)), is_stored=True)


def read_unlabeled_model(path: Path) -> tuple[bytes, InputSpec]:
    """Read the model of a bundle, and what states its input; its labels are not read and may be missing.

    Raises:
        BundleError: There is no readable model.
        ModelError: A zip could not be unpacked because space is missing.
    """
    files = find_bundle_files(Path(path))
    model = read_file(files.model_file, MAX_MODEL_BYTES)
    facts = _parse_model(model, files.model_display_name)
    export = read_export_file(files.model_file.parent, files.model_file.name)
    return model, _combine_input(files, facts, export)


def write_bundle(
    bundle: Bundle, folder: Path, model: bytes | None = None, documents: Mapping[str, bytes] | None = None
) -> None:
    """Write a bundle in AutoML's format: manifest.json, model.tflite, dict.txt; and its card and report, if any.

    The manifest contains the bundle's name and the hashes of both files, so the folder may be moved and renamed.

    Args:
        bundle: The bundle to write.
        folder: Created if missing; files with these names are replaced.
        model: The content of the model file if the caller read it already.
        documents: The documents if the caller read them already.

    Raises:
        BundleError: The bundle's model file is gone or was changed.
        OSError: The folder cannot be written.
    """
    model = bundle.read_model() if model is None else model
    labels = "".join(f"{label}\n" for label in bundle.labels).encode()
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
        "description": bundle.description,
        **bundle.input.as_manifest(),
        "training": None if bundle.provenance is None else bundle.provenance.as_dict(),
    }
    declared = {key: value for key, value in values.items() if value is not None}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(model)
    (folder / "dict.txt").write_bytes(labels)
    (folder / MANIFEST_NAME).write_text(json.dumps(declared, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_documents(read_documents(bundle.folder) if documents is None else documents, folder)


def _load(files: BundleFiles, is_stored: bool) -> Bundle:
    """Read the model and its labels and check them against the manifest."""
    manifest = files.manifest
    if not files.model_file.is_file():
        raise BundleError(
            f"{files.manifest_display_name}: its modelFile {clean_text(manifest.model_file, 100)!r} is missing"
        )
    model = read_file(files.model_file, MAX_MODEL_BYTES)
    _check_hashes(files)
    facts = _check_model(model, files.model_display_name)
    export = None if is_stored else read_export_file(files.model_file.parent, files.model_file.name)
    found = _load_labels(files, model, facts, export)
    labels = found.labels if is_stored else strip_numbers(found.labels)
    notes = [*files.notes, *filter(None, [found.note])]
    label_thresholds, background_label = _match_labels(files, found.labels, labels)
    if background_label is None and not is_stored and _has_imagenet_background(labels):
        background_label = labels[0]
        notes.append(
            f"label 0, {labels[0]!r}, of the 1,001 ImageNet classes means none of the others; it is not reported"
        )
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
        label_thresholds=label_thresholds,
        background_label=background_label,
        created=manifest.created,
        description=manifest.description,
        provenance=manifest.provenance,
        input=_combine_input(files, facts, export),
        notes=tuple(notes),
        folder=files.folder if files.unpacked or files.manifest_name or files.source.is_dir() else None,
        _unpacked=files.unpacked,
    )


def _check_hashes(files: BundleFiles) -> None:
    for name, expected in files.manifest.sha256.items():
        file = files.folder / name
        if not file.is_file():
            raise BundleError(
                f"{files.manifest_display_name}: {clean_text(name, 100)!r} is listed in sha256 but missing"
            )
        if hashlib.sha256(read_file(file, MAX_MODEL_BYTES)).hexdigest() != expected:
            raise BundleError(
                f"{files.manifest_display_name}: {name!r} does not match its sha256; the file was damaged or replaced"
            )


def _check_model(model: bytes, display_name: str) -> ModelFacts:
    facts = _parse_model(model, display_name)
    check_graph(facts, display_name)
    return facts


def _parse_model(model: bytes, display_name: str) -> ModelFacts:
    if not model:
        raise BundleError(f"{display_name} is empty")
    if model[4:8] != TFLITE_IDENTIFIER:
        if description := describe_file(model[:512], display_name):
            raise BundleError(f"{display_name} is {description}")
        raise BundleError(f"{display_name} is not a TFLite model: it lacks the identifier TFL3")
    try:
        return read_facts(model)
    except MalformedError as error:
        raise BundleError(f"{display_name} is damaged or truncated: {error}") from error


def _combine_input(files: BundleFiles, facts: ModelFacts, export: ExportFacts | None) -> InputSpec:
    """Combine what the manifest, the metadata, and an export's file state about the input."""
    declared = [files.manifest.input]
    if facts.mean is not None or facts.std is not None:
        mean, std = facts.mean or (127.5,), facts.std or (127.5,)
        if error := check_normalization(mean, std):
            raise BundleError(f"{files.model_display_name}: in its metadata, {error}")
        declared.append(DeclaredInput(mean, std, source=METADATA))
    if export is not None:
        declared.append(export.input)
    return combine(declared, is_quantized=facts.input_type in ("uint8", "int8"))


def _match_labels(
    files: BundleFiles, written: Sequence[str], labels: Sequence[str]
) -> tuple[dict[str, float], str | None]:
    """Return the manifest's thresholds and background label for the labels, which it may name with their index."""
    manifest, renamed = files.manifest, dict(zip(written, labels, strict=True)) | {label: label for label in labels}
    for label in [*manifest.label_thresholds, *filter(None, [manifest.background_label])]:
        if label not in renamed:
            key = "labelThresholds" if label in manifest.label_thresholds else "backgroundLabel"
            raise BundleError(f"{files.manifest_display_name}: {key}: {describe_unknown_label(label, labels)}")
    thresholds = {renamed[label]: value for label, value in manifest.label_thresholds.items()}
    return thresholds, None if manifest.background_label is None else renamed[manifest.background_label]


def _has_imagenet_background(labels: Sequence[str]) -> bool:
    return len(labels) == _IMAGENET_OUTPUTS and labels[0].lower() == "background"


def _load_labels(files: BundleFiles, model: bytes, facts: ModelFacts, export: ExportFacts | None) -> FoundLabels:
    """Load the labels from the file in the manifest, the model, the export's file, or a file next to the model."""
    display_name, labels_file = files.model_display_name, files.manifest.labels_file
    shape = facts.output_shapes[0]
    outputs = max(0, shape[-1]) if shape else 1
    if labels_file is not None:
        if not (files.folder / labels_file).is_file():
            raise BundleError(
                f"{display_name}: the label file {clean_text(labels_file, 100)!r} given in its manifest is missing"
            )
        text = read_file(files.folder / labels_file, MAX_LABEL_FILE_BYTES)
        source = f"{display_name}: {labels_file}"
        return _check_count(FoundLabels(parse_labels(text, source), labels_file), source, outputs)
    try:
        packed = extract_labels(model, facts)
    except MalformedError as error:
        raise BundleError(f"{display_name} has no readable labels: {error}") from error
    if packed is not None:
        source = f"{display_name}: {packed[0]} inside it"
        return _check_count(FoundLabels(parse_labels(packed[1], source), packed[0]), source, outputs)
    if export is not None and export.labels is not None:
        source = export.input.source
        return _check_count(FoundLabels(export.labels, source), f"{display_name}: {source} next to it", outputs)
    shapes = " and ".join(str(list(shape)) for shape in facts.output_shapes)
    complaint = f"{display_name} is not an image classifier, or its labels are missing: its output is {shapes}, "
    try:
        found = find_labels(files.model_file, outputs)
    except BundleError as error:
        raise BundleError(f"{complaint}and {error}") from error
    if found is not None:
        return found
    raise BundleError(
        f"{complaint}it contains no labels, and no label file is next to it; add labels.txt, a line per output"
    )


def _check_count(found: FoundLabels, source: str, outputs: int) -> FoundLabels:
    if not fits(found.labels, outputs):
        raise BundleError(describe_misfit(source, found.labels, outputs))
    return found
