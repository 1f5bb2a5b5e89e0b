"""Write a dataset in another format: a zip, a folder, or a folder with a CSV index.

    zip, folder     LABEL/picture, which AutoML accepts; with splits, TRAIN/LABEL/picture and so on
    csv             index.csv next to LABEL/picture; with splits, a first column TRAIN, VALIDATION, TEST, or UNASSIGNED
    jsonl           index.jsonl next to LABEL/picture, which Vertex AI accepts

If pictures have several labels, only the two indexes can list them; the pictures are then in the folder pictures.

Pictures are copied byte by byte, or converted to JPEG. Unlabeled pictures are put into the top folder, together with
the prediction for a collected frame. Pictures that cannot be decoded are left out and reported. The result is written
completely or not at all, and the same dataset always gives the same bytes.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from appliance.bundle.archive import write_zip
from appliance.errors import DatasetError, describe_os_error
from appliance.imaging.files import detect_picture_format, encode_jpeg, has_metadata, read_picture
from appliance.workshop.datasets.dataset import Dataset, Example
from appliance.workshop.datasets.duplicates import scan_pictures
from appliance.workshop.datasets.formats import SUFFIXES
from appliance.workshop.datasets.json_index import ML_USE
from appliance.workshop.datasets.label_cells import is_number
from appliance.workshop.datasets.label_names import suggest_renames
from appliance.workshop.datasets.problems import ProblemKind
from appliance.workshop.datasets.split_assignment import assign_splits
from appliance.workshop.datasets.split_folders import UNASSIGNED
from appliance.workshop.datasets.split_names import SPLITS, PackFormat, PackSplit
from appliance.workshop.datasets.work_folder import create_work_folder

CSV_NAME, JSONL_NAME = "index.csv", "index.jsonl"
_JPEG_QUALITY = 95
_ML_USES = {"train": "training", "validation": "validation", "test": "test"}
# A name in a zip may be longer than a name in a folder (255 bytes); this limit leaves room for a number and a suffix.
_MAX_STEM_BYTES = 200
_MAX_SIDECAR_BYTES = 1 << 16
_PICTURES = "pictures"
# The labels in one cell, if they must be, are separated by this character, which no label contains.
_SEPARATOR = "|"
_REMARKS = (ProblemKind.SKIPPED, ProblemKind.UNUSED, ProblemKind.NO_PICTURES)
_OBSTACLES = (ProblemKind.MISREAD, ProblemKind.WRONG_NAME)


@dataclass(frozen=True, slots=True)
class PackResult:
    """What was written.

    Attributes:
        out: The zip or the folder.
        pictures: The number of pictures in it.
        left_out: A sentence about each picture that was left out.
    """

    out: Path
    pictures: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Selection:
    """The pictures to write, with their formats, and sentences about the pictures left out."""

    examples: list[Example]
    formats: list[str]
    left_out: list[str]


@dataclass(frozen=True, slots=True)
class _PlacedExample:
    """A picture, its path in the result, and whether it becomes a JPEG."""

    path: str
    example: Example
    convert: bool


@dataclass(frozen=True, slots=True)
class PackOptions:
    """How pictures are written.

    Attributes:
        convert: Whether every picture becomes a JPEG that is upright and without EXIF data.
        prefix: What precedes each path in an index, such as gs://bucket/folder; empty for relative paths.
    """

    convert: bool = False
    prefix: str = ""


_DEFAULTS = PackOptions()


def pack_dataset(
    dataset: Dataset,
    out: Path,
    form: PackFormat,
    splits: PackSplit = "keep",
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    options: PackOptions = _DEFAULTS,
) -> PackResult:
    """Write the dataset to `out`.

    Args:
        dataset: The opened dataset.
        out: A path that does not exist yet, or an empty folder.
        form: What to write.
        splits: `keep` keeps the existing splits, `make` assigns the missing ones, `none` removes all. The name of a
            split writes only its pictures, without split folders, after assigning missing splits.
        seed: Selects the random assignment of missing splits.
        progress: Called with (done, total) while pictures are read.
        options: How pictures are written.

    Raises:
        DatasetError: The folders have several meanings, a label has an invalid name, `out` exists or cannot be
            written, or no picture is left to write.
    """
    if fault := next((each for each in dataset.problems if each.kind in _OBSTACLES), None):
        command = suggest_renames(dataset) if fault.kind == ProblemKind.WRONG_NAME else None
        advice = f"; to rename all, run: {command}" if command else ""
        raise DatasetError(f"{dataset.source} cannot be packed: {fault.message}{advice}")
    if out.exists() and not (form != "zip" and out.is_dir() and not any(out.iterdir())):
        raise DatasetError(f"{out} already exists; choose another path or remove it")
    if dataset.is_multi_label and form in ("zip", "folder"):
        raise DatasetError(
            f"{dataset.source} has pictures with several labels, which folders cannot show; "
            "use --form csv or --form jsonl"
        )
    selection = _select(dataset, splits, seed, progress)
    if not selection.examples:
        raise DatasetError(f"{dataset.source} has no picture to pack{f' for {splits}' if splits in SPLITS else ''}")
    placed = list(_place(selection, use_split_folders=form in ("zip", "folder"), convert=options.convert))
    index = None
    if form in ("csv", "jsonl"):
        index = (CSV_NAME, _make_csv(placed, options.prefix))
        if form == "jsonl":
            index = (JSONL_NAME, _make_jsonl(placed, options.prefix))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if form == "zip":
            _write_zip(out, placed)
        else:
            _write_folder(out, placed, index)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.filename or out}: {describe_os_error(error)}") from error
    return PackResult(out, len(selection.examples), tuple(selection.left_out))


def _select(dataset: Dataset, splits: PackSplit, seed: int, progress: Callable[[int, int], None]) -> _Selection:
    """Choose the pictures to write and the splits to record for them."""
    everything = [*dataset.examples, *dataset.unlabeled]
    scans = scan_pictures(everything, progress)
    if splits not in ("keep", "none"):
        labeled = assign_splits(dataset, seed, scans=scans[: len(dataset.examples)]).examples
        everything = [*labeled, *dataset.unlabeled]
    left_out = [problem.message for problem in dataset.problems if problem.kind not in _REMARKS]
    left_out += [scan.error for scan in scans if scan.error]
    examples, formats = [], []
    for example, scan in zip(everything, scans, strict=True):
        if scan.format is None or scan.error or (splits in SPLITS and example.split != splits):
            continue
        examples.append(example if splits in ("keep", "make") else dataclasses.replace(example, split=None))
        formats.append(scan.format)
    return _Selection(examples, formats, left_out)


def _place(selection: _Selection, *, use_split_folders: bool, convert: bool) -> Iterator[_PlacedExample]:
    """Yield each picture with its path in the result; append numbers to names that occur more than once."""
    has_splits = any(example.split for example in selection.examples if example.label is not None)
    has_several = any(example.others for example in selection.examples)
    taken: set[str] = set()
    for example, picture_format in zip(selection.examples, selection.formats, strict=True):
        folders = [] if example.label is None else [_PICTURES if has_several else example.label]
        if folders and use_split_folders and has_splits:
            folders.insert(0, (example.split or UNASSIGNED).upper())
        original = PurePosixPath(PurePosixPath(example.key).name)
        stem = original.stem.lstrip(".") or "picture"  # a name that begins with a dot is hidden
        stem = stem.encode()[:_MAX_STEM_BYTES].decode(errors="ignore")
        suffix = ".jpg" if convert else original.suffix or SUFFIXES[picture_format]
        path, number = "/".join((*folders, stem + suffix)), 1
        # Ignore case and suffix: some file systems do not distinguish case, and a sidecar is found by the stem.
        while (key := path.rpartition(".")[0].lower()) in taken:
            number += 1
            path = "/".join((*folders, f"{stem}_{number}{suffix}"))
        taken.add(key)
        yield _PlacedExample(path, example, convert)


def _write_zip(out: Path, placed: list[_PlacedExample]) -> None:
    with create_work_folder(out) as work:
        with (work / "new.zip").open("wb") as file:
            write_zip(file, _read_files(placed), mode=0o644)
        (work / "new.zip").replace(out)


def _write_folder(out: Path, placed: list[_PlacedExample], index: tuple[str, bytes] | None = None) -> None:
    with create_work_folder(out) as work:
        new = work / "new"
        new.mkdir()
        for name, content in _read_files(placed):
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if index is not None:
            (new / index[0]).write_bytes(index[1])
        new.replace(out)


def _make_csv(placed: Sequence[_PlacedExample], prefix: str) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    has_splits = any(each.example.split for each in placed)
    # Without names of columns, a number is mistaken for a size or a coordinate.
    needs_header = any(each.example.others for each in placed) and any(
        is_number(label) for each in placed for label in each.example.labels
    )
    if needs_header:
        rows.writerow([*(["set"] if has_splits else []), "path", "labels"])
    for each in placed:
        split = [(each.example.split or UNASSIGNED).upper()] if has_splits else []
        labels = [_SEPARATOR.join(each.example.labels)] if needs_header else each.example.labels
        rows.writerow([*split, _add_prefix(each.path, prefix), *labels])
    return text.getvalue().encode()


def _make_jsonl(placed: Sequence[_PlacedExample], prefix: str) -> bytes:
    """Return Vertex AI's import file for classification with one label or several (see json_index)."""
    lines = []
    has_several = any(each.example.others for each in placed)
    for each in placed:
        value: dict[str, Any] = {"imageGcsUri": _add_prefix(each.path, prefix)}
        if has_several:
            value["classificationAnnotations"] = [{"displayName": label} for label in each.example.labels]
        elif each.example.label is not None:
            value["classificationAnnotation"] = {"displayName": each.example.label}
        if each.example.split is not None:
            value["dataItemResourceLabels"] = {ML_USE: _ML_USES[each.example.split]}
        lines.append(json.dumps(value, ensure_ascii=False) + "\n")
    return "".join(lines).encode()


def _add_prefix(path: str, prefix: str) -> str:
    """Return the path of a picture in an index; a URL is percent-encoded."""
    return f"{prefix.rstrip('/')}/{quote(path)}" if prefix else path


def _read_files(placed: Iterable[_PlacedExample]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the content of each picture and of its sidecar."""
    for each in placed:
        yield each.path, _read_picture_file(each)
        if each.example.sidecar:
            sidecar = each.example.container.read(each.example.sidecar, _MAX_SIDECAR_BYTES)
            yield each.path.rpartition(".")[0] + ".json", sidecar


def _read_picture_file(placed: _PlacedExample) -> bytes:
    """Return a picture's bytes; a JPEG without EXIF data needs no conversion."""
    content = placed.example.read_bytes()
    if not placed.convert or (detect_picture_format(content[:64]) == "JPEG" and not has_metadata(content)):
        return content
    return encode_jpeg(read_picture(io.BytesIO(content), placed.example.name), _JPEG_QUALITY)
