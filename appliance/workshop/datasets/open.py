"""Datasets as AutoML Vision Edge takes them: a structured folder or zip, a CSV index, and pictures without labels.

This is the face of what the modules beside it do: `open_dataset` tells the form and looks at every file's name, size and
first bytes, no more; `with_splits` deals the pictures out to train, validation and test; `require_trainable` says no
where a model could not be trained. What cannot be taken is a Problem with a sentence and never stops the rest.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from appliance.errors import DatasetError, PictureError, UsageError
from appliance.workshop.datasets.containers import FolderContainer, ZipContainer, sidecars
from appliance.workshop.datasets.csv_index import FileList, read_rows
from appliance.workshop.datasets.dataset import (
    LEAST_PICTURES,
    MAX_PICTURE_BYTES,
    RECOMMENDED_PICTURES,
    SPLITS,
    Dataset,
    DevicePrediction,
    Example,
    FileContainer,
    Problem,
    Split,
    label_fault,
)
from appliance.workshop.datasets.formats import looked_at
from appliance.workshop.datasets.layout import places
from appliance.workshop.datasets.splits import with_splits

__all__ = [
    "LEAST_PICTURES",
    "MAX_PICTURE_BYTES",
    "RECOMMENDED_PICTURES",
    "SPLITS",
    "Dataset",
    "DevicePrediction",
    "Example",
    "FileContainer",
    "Problem",
    "Split",
    "gs_folders",
    "label_fault",
    "open_dataset",
    "require_trainable",
    "with_splits",
]  # fmt: skip

_MAX_SIDECAR_BYTES = 64 * 1024


def open_dataset(argument: str | Path, gs: Mapping[str, Path] = {}) -> Dataset:
    """Opens a dataset: a folder, a .zip, or a .csv index.

    Every file's name, size and first bytes are looked at; pictures are decoded by whoever uses them.

    Args:
        argument: The DATASET of the command line.
        gs: For a CSV with gs:// URLs: gs://bucket → the folder of its local copy (see gs_folders).

    Returns:
        The dataset. Labels with a wrong name are in it, and in its problems.

    Raises:
        DatasetError: It is missing, is none of the three forms, cannot be read, is refused as a whole, or holds no
            picture that can be taken.
    """
    source = Path(argument)
    if not source.exists():
        raise DatasetError(f"{source} does not exist: a dataset is a folder, a .zip or a .csv index.")
    if source.is_dir():
        examples, lost, problems = _structured(FolderContainer(source))
    elif source.suffix.lower() == ".csv":
        examples, lost, problems = _indexed(source, gs)
    elif source.suffix.lower() == ".zip":
        examples, lost, problems = _structured(ZipContainer(source))
    else:
        raise DatasetError(f"{source} is no dataset: that is a folder, a .zip or a .csv index.")
    if not examples:
        reason = f" {problems[0].says}" if problems else ""
        raise DatasetError(f"{source} holds no picture that can be taken (JPEG, PNG, GIF, BMP, ICO).{reason}")
    labels = tuple(sorted({label for label in (*(example.label for example in examples), *lost) if label is not None}))
    problems += [
        Problem("wrong_name", label, fault[0].upper() + fault[1:]) for label in labels if (fault := label_fault(label))
    ]
    return Dataset(
        source,
        labels,
        tuple(example for example in examples if example.label is not None),
        tuple(example for example in examples if example.label is None),
        tuple(problems),
    )


def gs_folders(options: Iterable[str]) -> dict[str, Path]:
    """The buckets of `--gs gs://bucket=DIR` options.

    Raises:
        UsageError: One is not of this form, or its folder is missing.
    """
    folders = {}
    for option in options:
        bucket, equals, folder = option.partition("=")
        if not equals or not bucket.startswith("gs://") or not bucket[5:] or not folder:
            raise UsageError(f"--gs {option!r} is not of the form gs://bucket=FOLDER")
        if not Path(folder).is_dir():
            raise UsageError(f"--gs {option}: there is no folder {folder}")
        folders[bucket.rstrip("/")] = Path(folder)
    return folders


def require_trainable(dataset: Dataset) -> None:
    """Says no to a dataset that no model should be trained on.

    Raises:
        DatasetError: It has fewer than two labels, a label with a wrong name, or fewer than LEAST_PICTURES of a label.
    """
    counts = Counter(example.label for example in dataset.examples)
    for label in dataset.labels:
        if fault := label_fault(label):
            raise DatasetError(f"{dataset.source}: {fault}")
    if len(dataset.labels) < 2:
        found = f"only the label {dataset.labels[0]}" if dataset.labels else "no label"
        raise DatasetError(
            f"{dataset.source} has {found}: put the pictures into a folder for each label, at least two."
        )
    if few := [f"{label} ({counts[label]})" for label in dataset.labels if counts[label] < LEAST_PICTURES]:
        says = f"{dataset.source} has fewer than {LEAST_PICTURES} pictures of {', '.join(few)}"
        raise DatasetError(f"{says}: add some, or leave the label out.")


def _structured(shelf: FolderContainer | ZipContainer) -> tuple[list[Example], set[str | None], list[Problem]]:
    """The examples, the labels of pictures that could not be taken, and what was wrong with those."""
    names, problems = shelf.listed()
    beside = dict(sidecars(names))
    used = set(beside.values())
    taken, lost = [], []
    for name in names:
        if name in used:
            continue
        if problem := looked_at(shelf, name, name):
            problems.append(problem)
            if problem.fault != "passed_over":
                lost.append(name)
        else:
            taken.append(name)
    examples = []
    found = places(taken, lost)
    for name, place in zip(taken, found[: len(taken)], strict=True):
        sidecar = beside.get(name)
        guess = _guess(shelf, sidecar) if sidecar else None
        examples.append(Example(name, place.label, place.split, shelf, name, guess, sidecar if guess else None))
    return examples, {place.label for place in found[len(taken) :]}, problems


def _indexed(index: Path, gs: Mapping[str, Path]) -> tuple[list[Example], set[str | None], list[Problem]]:
    """As _structured."""
    rows, problems = read_rows(index, gs)
    shelf = FileList()
    examples, lost = [], set()
    for row in rows:
        if problem := looked_at(shelf, str(row.path), row.name, is_named=True):
            problems.append(problem)
            lost.add(row.label)
        else:
            examples.append(Example(row.name, row.label, row.split, shelf, str(row.path)))
    return examples, lost, problems


def _guess(shelf: FileContainer, key: str) -> DevicePrediction | None:
    """The guess in a sidecar as `appliance.collection.collector` writes it; None where it is somebody else's file."""
    try:
        said = json.loads(shelf.read(key, _MAX_SIDECAR_BYTES))
        best, model = said["labels"][0], said["model"]
        return DevicePrediction(
            str(best["label"]), float(best["score"]), f"{model['name']} {model['version']}", str(said["reason"])
        )
    except (PictureError, ValueError, TypeError, KeyError, IndexError):
        return None
