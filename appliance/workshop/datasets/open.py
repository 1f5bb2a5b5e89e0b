"""Open a dataset in any form that AutoML Vision Edge accepts: a structured folder or zip, or a CSV index.

Opening reads only the name, size, and first bytes of each file. A file that cannot be used becomes a Problem and does
not prevent the others from being used.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError, PictureError, UsageError
from appliance.workshop.datasets.containers import (
    FileContainer,
    FileList,
    FolderContainer,
    ZipContainer,
    find_sidecars,
)
from appliance.workshop.datasets.csv_index import read_rows
from appliance.workshop.datasets.dataset import MIN_PICTURES, Dataset, DevicePrediction, Example, label_name_error
from appliance.workshop.datasets.formats import check_picture_file
from appliance.workshop.datasets.layout import classify_paths
from appliance.workshop.datasets.problems import Problem, ProblemKind

_MAX_SIDECAR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Content:
    """The pictures of a dataset, the labels of its unusable pictures, and the problems."""

    examples: list[Example]
    unusable_labels: set[str | None]
    problems: list[Problem]


def open_dataset(argument: str | Path, gs_folders: Mapping[str, Path] | None = None) -> Dataset:
    """Open a dataset: a folder, a .zip, or a .csv index.

    This reads the name, size, and first bytes of every file; pictures are decoded later, on use.

    Args:
        argument: The DATASET argument of the command line.
        gs_folders: For a CSV with gs:// URLs: gs://bucket → the folder of its local copy (see parse_gs_folders).

    Returns:
        The dataset. Labels with an invalid name are included, and listed among the problems.

    Raises:
        DatasetError: The dataset is missing, is in none of the three formats, cannot be read, is refused as a whole, or
            has no usable picture.
    """
    source = Path(argument)
    if not source.exists():
        raise DatasetError(f"{source} does not exist; a dataset is a folder, a .zip, or a .csv index")
    if source.is_dir():
        content = _read_structured(FolderContainer(source))
    elif source.suffix.lower() == ".csv":
        content = _read_indexed(source, gs_folders or {})
    elif source.suffix.lower() == ".zip":
        content = _read_structured(ZipContainer(source))
    else:
        raise DatasetError(f"{source} is not a dataset; a dataset is a folder, a .zip, or a .csv index")
    if not content.examples:
        reason = f": {content.problems[0].message}" if content.problems else ""
        raise DatasetError(f"{source} has no usable picture (JPEG, PNG, GIF, BMP, ICO){reason}")
    found = {example.label for example in content.examples} | content.unusable_labels
    labels = tuple(sorted(label for label in found if label is not None))
    invalid = [Problem(ProblemKind.WRONG_NAME, label, error) for label in labels if (error := label_name_error(label))]
    return Dataset(
        source,
        labels,
        tuple(example for example in content.examples if example.label is not None),
        tuple(example for example in content.examples if example.label is None),
        (*content.problems, *invalid),
    )


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


def require_trainable(dataset: Dataset) -> None:
    """Raise an error if no model should be trained on a dataset.

    Raises:
        DatasetError: The dataset has fewer than two labels, a label with an invalid name, or fewer than MIN_PICTURES
            pictures of a label.
    """
    counts = Counter(example.label for example in dataset.examples)
    for label in dataset.labels:
        if error := label_name_error(label):
            raise DatasetError(f"{dataset.source}: {error}")
    if len(dataset.labels) < 2:
        labels = f"only the label {dataset.labels[0]}" if dataset.labels else "no label"
        raise DatasetError(f"{dataset.source} has {labels}; put the pictures into one folder per label, at least two")
    if few := [f"{label} ({counts[label]})" for label in dataset.labels if counts[label] < MIN_PICTURES]:
        raise DatasetError(
            f"{dataset.source} has fewer than {MIN_PICTURES} pictures of {', '.join(few)}; "
            "add more, or leave out the label"
        )


def _read_structured(container: FolderContainer | ZipContainer) -> _Content:
    names, problems = container.list_files()
    sidecars = dict(find_sidecars(names))
    sidecar_names = set(sidecars.values())
    usable, unusable = [], []
    for name in names:
        if name in sidecar_names:
            continue
        if problem := check_picture_file(container, name, name):
            problems.append(problem)
            if problem.kind != ProblemKind.SKIPPED:
                unusable.append(name)
        else:
            usable.append(name)
    examples = []
    meanings = classify_paths(usable, unusable)
    for name, meaning in zip(usable, meanings[: len(usable)], strict=True):
        sidecar = sidecars.get(name)
        prediction = _read_prediction(container, sidecar) if sidecar else None
        examples.append(
            Example(name, meaning.label, meaning.split, container, name, prediction, sidecar if prediction else None)
        )
    return _Content(examples, {meaning.label for meaning in meanings[len(usable) :]}, problems)


def _read_indexed(index: Path, gs_folders: Mapping[str, Path]) -> _Content:
    rows, problems = read_rows(index, gs_folders)
    container = FileList()
    examples: list[Example] = []
    unusable_labels: set[str | None] = set()
    for row in rows:
        if problem := check_picture_file(container, str(row.path), row.name, is_listed=True):
            problems.append(problem)
            unusable_labels.add(row.label)
        else:
            examples.append(Example(row.name, row.label, row.split, container, str(row.path)))
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
