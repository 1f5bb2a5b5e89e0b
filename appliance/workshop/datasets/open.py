"""Open a dataset: a structured folder or zip, or an index (CSV, Vertex AI, Label Studio, Edge Impulse).

Opening reads only the name, size, and first bytes of each file. A file that cannot be used becomes a Problem and does
not prevent the others from being used.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError, PictureError, UsageError, describe_unreadable
from appliance.workshop.datasets.annotations import find_annotations
from appliance.workshop.datasets.archives import describe_archive
from appliance.workshop.datasets.containers import (
    FileContainer,
    FileList,
    FolderContainer,
    ZipContainer,
    find_sidecars,
)
from appliance.workshop.datasets.dataset import Dataset, DevicePrediction, Example
from appliance.workshop.datasets.folders_without_pictures import find_folders_without_pictures
from appliance.workshop.datasets.formats import SUPPORTED, check_picture_file
from appliance.workshop.datasets.index import INDEX_SUFFIXES, read_index
from appliance.workshop.datasets.inner_index import (
    apply_records,
    compare_with_indexes,
    is_inner_index,
    read_index_beside,
    read_inner_indexes,
)
from appliance.workshop.datasets.json_index import EDGE_IMPULSE_NAME
from appliance.workshop.datasets.label_names import describe_wrong_name, propose_names
from appliance.workshop.datasets.layout import Layout, read_layout
from appliance.workshop.datasets.problems import Problem, ProblemKind

_MAX_SIDECAR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Content:
    """The pictures of a dataset, the labels of its unusable pictures, and the problems."""

    examples: list[Example]
    unusable_labels: set[str | None]
    problems: list[Problem]


_URL = re.compile(r"(https?|gs|s3|ftp):/")
_FORMS = "a folder, a .zip, or an index (.csv, .tsv, .jsonl, .json)"


def open_dataset(argument: str | Path, gs_folders: Mapping[str, Path] | None = None) -> Dataset:
    """Open a dataset: a folder, a .zip, or an index.

    This reads the name, size, and first bytes of every file; pictures are decoded later, on use.

    Args:
        argument: The DATASET argument of the command line.
        gs_folders: For an index with gs:// URLs: gs://bucket → the folder of its local copy (see parse_gs_folders).

    Returns:
        The dataset. Labels with an invalid name are included, and listed among the problems.

    Raises:
        DatasetError: The dataset is missing, is in none of the formats, cannot be read, is refused as a whole, or has
            no usable picture.
    """
    source = Path(argument)
    content = _read_content(source, gs_folders or {})
    if not content.examples:
        minor = (ProblemKind.UNUSED, ProblemKind.SKIPPED)
        ranked = sorted(content.problems, key=lambda problem: problem.kind in minor)
        reason = f": {ranked[0].message}" if ranked else ""
        raise DatasetError(f"{source} has no usable picture ({SUPPORTED}){reason}")
    found = {label for example in content.examples for label in example.labels} | content.unusable_labels
    labels = tuple(sorted(label for label in found if label is not None))
    proposed = propose_names(labels)
    invalid = [
        Problem(ProblemKind.WRONG_NAME, label, describe_wrong_name(label, name)) for label, name in proposed.items()
    ]
    return Dataset(
        source,
        labels,
        tuple(example for example in content.examples if example.label is not None),
        tuple(example for example in content.examples if example.label is None),
        (*content.problems, *invalid),
    )


def _read_content(source: Path, gs_folders: Mapping[str, Path]) -> _Content:
    try:
        is_there = source.exists()
    except OSError as error:
        raise DatasetError(describe_unreadable(source, error)) from error
    except ValueError as error:
        raise DatasetError(f"{str(source)!r} is not a path: {error}") from error
    if not is_there and (match := _URL.match(str(source))):
        raise DatasetError(f"{source} is on another machine ({match[1]}); download it, and give the file or folder")
    if not is_there:
        raise DatasetError(f"{source} does not exist; a dataset is {_FORMS}")
    if source.is_dir():
        return _read_structured(FolderContainer(source))
    if source.suffix.lower() in INDEX_SUFFIXES or source.name == EDGE_IMPULSE_NAME:
        return _read_indexed(source, gs_folders)
    if archive := describe_archive(source):
        raise DatasetError(f"{source} is {archive}")
    if source.suffix.lower() == ".zip":
        return _read_structured(ZipContainer(source))
    raise DatasetError(f"{source} is not a dataset; a dataset is {_FORMS}")


def parse_gs_folders(options: Iterable[str]) -> dict[str, Path]:
    """Parse `--gs gs://bucket=FOLDER` options.

    Raises:
        UsageError: An option is not of this form, or its folder is missing.
    """
    folders = {}
    for option in options:
        bucket, equals, folder = option.partition("=")
        if not equals or not bucket.startswith("gs://") or not bucket[5:] or not folder:
            raise UsageError(f"--gs {option!r} is not of the form gs://bucket=FOLDER")
        if not Path(folder).is_dir():
            raise UsageError(f"--gs {option}: the folder {folder} does not exist")
        folders[bucket.rstrip("/")] = Path(folder)
    return folders


def _read_structured(container: FolderContainer | ZipContainer) -> _Content:
    names, problems = container.list_files()
    sidecars = dict(find_sidecars(names))
    sidecar_names = set(sidecars.values())
    stated, index_problems = read_inner_indexes(container, names)
    problems = [*problems, *index_problems]
    usable, unusable = [], []
    for name in names:
        if name in sidecar_names or is_inner_index(name):
            continue
        if problem := check_picture_file(container, name, name):
            problems.append(problem)
            if problem.kind != ProblemKind.SKIPPED:
                unusable.append(name)
        else:
            usable.append(name)
    examples = []
    layout = read_layout(usable, unusable) if stated is None else apply_records(stated, usable, unusable)
    problems = [*problems, *find_annotations(container, names)]
    if stated is None and _is_unclear(layout):
        others = [name for name in names if name not in sidecar_names]
        layout, problems = _read_by_index(container, others, usable, unusable, layout, problems)
    if stated is None and not _is_unclear(layout):
        layout, problems = compare_with_indexes(container, names, [*usable, *unusable], layout, problems)
    pictures = {*usable, *unusable}
    others = [name for name in names if name not in pictures]
    problems += find_folders_without_pictures(
        [*usable, *unusable], layout.meanings, others, container.list_empty_folders()
    )
    problems += layout.problems
    for name, meaning in zip(usable, layout.meanings[: len(usable)], strict=True):
        sidecar = sidecars.get(name)
        prediction = _read_prediction(container, sidecar) if sidecar else None
        examples.append(
            Example(
                name, meaning.label, meaning.split, container, name, prediction, sidecar if prediction else None,
                meaning.others,
            )
        )  # fmt: skip
    unusable_labels = {label for each in layout.meanings[len(usable) :] for label in (each.label, *each.others)}
    return _Content(examples, unusable_labels, problems)


def _is_unclear(layout: Layout) -> bool:
    """Return whether the folders do not give labels."""
    labels = {meaning.label for meaning in layout.meanings} - {None}
    return len(labels) < 2 or any(problem.kind == ProblemKind.MISREAD for problem in layout.problems)


def _read_by_index(
    container: FolderContainer | ZipContainer,
    names: Sequence[str],
    usable: Sequence[str],
    unusable: Sequence[str],
    layout: Layout,
    problems: Sequence[Problem],
) -> tuple[Layout, list[Problem]]:
    """Read the labels from an index that lies beside the pictures, or explain why there are none.

    Returns:
        The layout, and the problems without those about the index and the boxes that are explained now.
    """
    found = read_index_beside(container, names, [*usable, *unusable])
    if found is not None:
        rest = [problem for problem in problems if problem.name not in found.indexes]
        return apply_records(found.records, usable, unusable), [*rest, *found.problems]
    boxes = next((problem for problem in problems if problem.kind == ProblemKind.UNUSED), None)
    if boxes is None:
        return layout, list(problems)
    misread = Problem(ProblemKind.MISREAD, boxes.name, boxes.message)
    return layout, [misread, *(problem for problem in problems if problem is not boxes)]


def _read_indexed(index: Path, gs_folders: Mapping[str, Path]) -> _Content:
    found = read_index(index, gs_folders)
    problems = list(found.problems)
    container = FileList()
    examples: list[Example] = []
    unusable_labels = set(found.lost_labels)
    for row in found.rows:
        if problem := check_picture_file(container, str(row.path), row.name, is_listed=True):
            problems.append(problem)
            unusable_labels |= {row.label, *row.others}
        else:
            examples.append(Example(row.name, row.label, row.split, container, str(row.path), others=row.others))
    if examples and all(example.label is None for example in examples):
        message = (
            f"{index} gives no picture a label; name the column or key of the labels label, and that of the pictures "
            "path"
        )
        problems.append(Problem(ProblemKind.MISREAD, index.name, message))
    return _Content(examples, unusable_labels, problems)


def _read_prediction(container: FileContainer, key: str) -> DevicePrediction | None:
    """Read a sidecar that appliance/collection wrote; return None for any other file."""
    try:
        values = json.loads(container.read(key, _MAX_SIDECAR_BYTES))
        best, model = values["labels"][0], values["model"]
        return DevicePrediction(
            str(best["label"]), float(best["score"]), f"{model['name']} {model['version']}", str(values["reason"])
        )
    except (PictureError, ValueError, TypeError, KeyError, IndexError):
        return None
