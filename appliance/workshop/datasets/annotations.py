"""Recognize annotations for other kinds of models: boxes and outlines, in the forms of several programs.

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
    "Multi-Label Classification; in CVAT: ImageNet), or list the pictures with their labels in a .csv"
)
_HEAD_BYTES = 4096
_COCO_NAME = "_annotations.coco.json"
_COCO_KEYS = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
_READ = 20
# Suffix → kind → what shows it.
_KINDS = {
    ".json": {
        "LabelMe": re.compile(r'"(shapes|imagePath)"\s*:'),
        "Create ML": re.compile(r'"coordinates"\s*:'),
        "Datumaro": re.compile(r'"items"\s*:|"categories"\s*:\s*\{'),
    },
    ".xml": {"CVAT": re.compile(r"<annotations\b"), "Pascal VOC": re.compile(r"<annotation\b")},
    ".txt": {"YOLO": re.compile(r"\A\d+( +-?(\d+(\.\d*)?|\.\d+)(e-?\d+)?){4,}\s*$", re.MULTILINE)},
}
# Programs whose files have boxes, outlines, or labels of whole pictures.
_TOOLS = {"LabelMe", "Create ML", "Datumaro", "CVAT"}


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
        Problem(ProblemKind.UNUSED, examples[kind], f"{examples[kind]} contains {_describe(kind)}; {REMEDY}")
        for kind in counts
    ]


def _describe(kind: str) -> str:
    return f"annotations of {kind}" if kind in _TOOLS else f"boxes in the form of {kind}"


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
        if suffix not in _KINDS or opened[suffix] >= _READ or not (path.stem in stems or is_named):
            continue
        opened[suffix] += 1
        head = "" if path.name == _COCO_NAME else _read_head(container, name)
        if path.name == _COCO_NAME or (suffix == ".json" and is_coco(head)):
            yield "COCO", name
        elif kind := next((kind for kind, pattern in _KINDS[suffix].items() if pattern.search(head)), None):
            yield kind, name


def _read_head(container: FileContainer, name: str) -> str:
    try:
        return container.read(name, _HEAD_BYTES).decode(errors="replace")
    except PictureError:
        return ""
