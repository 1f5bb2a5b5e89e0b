"""Recognize annotations for other kinds of models: boxes and outlines in the forms of COCO, Pascal VOC, and YOLO.

Labels are for whole pictures here. Such files are named, with the way to get labels from them, instead of being skipped
like any other file.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from appliance.errors import PictureError
from appliance.workshop.datasets.containers import FileContainer
from appliance.workshop.datasets.formats import is_picture_suffix
from appliance.workshop.datasets.problems import Problem, ProblemKind

REMEDY = (
    "labels are for whole pictures here; export the dataset for classification (in Roboflow: Folder Structure, or "
    "Multi-Label Classification), or list the pictures with their labels in a .csv"
)
_HEAD_BYTES = 4096
_YOLO_ROW = re.compile(r"\d+( +-?\d*\.?\d+(e-?\d+)?){4,}\s*")
_COCO_KEYS = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
_READ = 20


def find_annotations(container: FileContainer, names: Sequence[str]) -> list[Problem]:
    """Return a problem for each kind of annotations among the files of a dataset.

    Args:
        container: Contains the files.
        names: All files.
    """
    stems = {PurePosixPath(name).stem for name in names if is_picture_suffix(PurePosixPath(name).suffix)}
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for kind, name in _recognize(container, names, stems):
        counts[kind] += 1
        examples.setdefault(kind, name)
    return [
        Problem(ProblemKind.UNUSED, examples[kind], f"{examples[kind]} contains boxes in the form of {kind}; {REMEDY}")
        for kind in counts
    ]


def is_coco(text: str) -> bool:
    """Return whether a text is the JSON of COCO, by its lists."""
    return len({match[1] for match in _COCO_KEYS.finditer(text)}) > 1


def _recognize(container: FileContainer, names: Sequence[str], stems: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of annotation files; only some files of each suffix are opened."""
    opened: Counter[str] = Counter()
    for name in names:
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        is_named = path.stem.startswith("instances_") or "annotations" in name.lower()
        if suffix == ".json" and is_named and opened[suffix] < _READ:
            opened[suffix] += 1
            if path.name == "_annotations.coco.json" or is_coco(_read_head(container, name)):
                yield "COCO", name
        elif suffix in (".xml", ".txt") and path.stem in stems and opened[suffix] < _READ:
            opened[suffix] += 1
            head = _read_head(container, name)
            if suffix == ".xml" and "<annotation" in head:
                yield "Pascal VOC", name
            elif suffix == ".txt" and head and _YOLO_ROW.fullmatch(head.splitlines()[0]):
                yield "YOLO", name


def _read_head(container: FileContainer, name: str) -> str:
    try:
        return container.read(name, _HEAD_BYTES).decode(errors="replace")
    except PictureError:
        return ""
