"""Find out what the columns of a CSV index mean, from the names in its first row and from its cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from appliance.errors import DatasetError
from appliance.workshop.datasets.formats import is_picture_suffix
from appliance.workshop.datasets.label_cells import SEVERAL_WORDS
from appliance.workshop.datasets.split_folders import parse_split

UNASSIGNED = "UNASSIGNED"

PATH_WORDS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "image_name", "image_file",
    "img", "img_path", "picture", "photo", "url", "uri", "image_url", "image_uri", "gcs_file_path", "gcs_uri",
    "imagegcsuri", "image_gcs_uri", "source_ref", "image_id", "img_id", "picture_id", "photo_id", "file_id", "id_code",
    "id", "name", "files", "filenames", "filepaths", "file_paths", "images", "image_paths", "image_names", "paths",
)  # fmt: skip
LABEL_WORDS = (
    "label", "labels", "class", "classes", "category", "label_name", "class_name", "classname", "category_name",
    "display_name", "displayname", "target", "tag", "tags", "annotation", "species", "breed", "variety", "diagnosis",
    "disease", "choice", "choices", *SEVERAL_WORDS, "class_id", "classid", "label_id", "category_id",
)  # fmt: skip
# Columns with the corners of a box: an index for the detection of objects.
_BOX_WORDS = {"xmin", "ymin", "xmax", "ymax", "x_min", "y_min", "x_max", "y_max", "bbox", "bbox_x", "bbox_y", "box"}
SET_WORDS = ("set", "split", "ml_use", "subset", "partition", "usage", "aiplatform_googleapis_com_ml_use")
# Columns that answer yes or no, with the split of a yes, in the order in which they count, and of a no.
_FLAG_WORDS: dict[str, tuple[str, str]] = {
    "is_test": ("test", "train"), "is_valid": ("validation", "train"), "is_val": ("validation", "train"),
    "is_validation": ("validation", "train"), "is_train": ("train", "test"), "is_training": ("train", "test"),
}  # fmt: skip
_YES = {"1", "1.0", "true", "yes", "t", "y", "x"}
_NO = {"0", "0.0", "-1", "false", "no", "f", "n", ""}
_TYPICAL = 0.8
_SAMPLED_ROWS = 200


@dataclass(frozen=True, slots=True)
class Columns:
    """The index of each column; without a header, a split in the first column is recognized row by row.

    Attributes:
        path: The picture.
        label: The label; None for none.
        set: The split; None for none.
        has_header: Whether the first row names the columns.
        flags: Columns that answer yes or no, with the splits of both; the first yes counts.
        classes: Column → label, for columns that contain 1 if the picture has this label.
        unused: The names of the other columns.
        more_labels: The columns label2, label3, …
        may_hold_several: Whether the name of the column `label` is one for several labels, such as tags.
        boxes: The names of columns that contain the corners of boxes.
        is_free: Whether a row is a path with an optional split before it and labels after it.
    """

    path: int = 0
    label: int | None = None
    set: int | None = None
    has_header: bool = False
    flags: tuple[tuple[int, tuple[str, str]], ...] = ()
    classes: tuple[tuple[int, str], ...] = ()
    unused: tuple[str, ...] = ()
    is_free: bool = False
    more_labels: tuple[int, ...] = ()
    may_hold_several: bool = False
    boxes: tuple[str, ...] = ()


def is_picture_name(cell: str) -> bool:
    """Return whether a cell is a URL or a file name with the suffix of a picture."""
    return "://" in cell or is_picture_suffix(PurePosixPath(cell.replace("\\", "/")).suffix)


def is_split_word(cell: str) -> bool:
    """Return whether a cell names a split, or none."""
    return parse_split(cell) is not None or cell.upper() == UNASSIGNED


def find_columns(rows: Sequence[list[str]], name: str) -> Columns:
    """Return what the columns of an index mean.

    Args:
        rows: The cells of all rows, without empty rows and comments; at least one.
        name: The index, for errors.

    Raises:
        DatasetError: The first row names a column twice.
    """
    words = [_normalize(cell) for cell in rows[0]]
    sample = rows[1 : 1 + _SAMPLED_ROWS]
    by_content = _find_picture_column(sample)
    named = _find_word(words, PATH_WORDS)
    if any(is_picture_name(cell) for cell in rows[0]) or (named is None and by_content is None):
        return _find_unnamed_columns(rows[: 1 + _SAMPLED_ROWS])
    names = [word for word in words if word]  # spreadsheets add empty columns, and some exports leave columns unnamed
    if repeated := sorted({word for word in names if names.count(word) > 1}):
        raise DatasetError(f"{name} has more than one column named {repeated[0]}; rename or remove all but one")
    path = named if named is not None and _count_pictures(sample, named) >= _TYPICAL * len(sample) else by_content
    return _name_columns(rows[0], words, next(index for index in (path, named, 0) if index is not None), rows[1:])


def _normalize(cell: str) -> str:
    return re.sub(r"[^\w]+", "_", cell.strip().lower().strip("[]<>\"'")).strip("_")


def _find_word(words: Sequence[str], known: Sequence[str]) -> int | None:
    """Return the column with the first of the known names that occurs."""
    return next((words.index(word) for word in known if word in words), None)


def _find_picture_column(rows: Sequence[list[str]]) -> int | None:
    """Return the column in which most rows contain a picture's name; None if there is none."""
    width = max(map(len, rows), default=0)
    counts = [_count_pictures(rows, index) for index in range(width)]
    best = max(range(width), key=lambda index: counts[index], default=None)
    return best if best is not None and counts[best] >= _TYPICAL * len(rows) else None


def _count_pictures(rows: Sequence[list[str]], index: int) -> int:
    return sum(len(cells) > index and is_picture_name(cells[index]) for cells in rows)


def _name_columns(first: Sequence[str], words: Sequence[str], path: int, rows: Sequence[list[str]]) -> Columns:
    sample = rows[:_SAMPLED_ROWS]
    set_index = _find_word(words, SET_WORDS)
    others = [word if index != path else "" for index, word in enumerate(words)]
    if set_index is None:
        unknown = (index for index, word in enumerate(others) if word and word not in LABEL_WORDS)
        set_index = next((index for index in unknown if _is_split_column(rows, index)), None)
    flags = tuple((words.index(word), splits) for word, splits in _FLAG_WORDS.items() if word in words)
    flags = flags if set_index is None else ()
    numbered = [index for index, word in enumerate(others) if re.sub(r"_?\d+$", "", word) in LABEL_WORDS]
    label = _find_label_column(others, sample)
    label = numbered[0] if label is None and numbered else label
    more = tuple(index for index in numbered if index != label and re.search(r"\d$", words[index]))
    taken = (path, set_index, label, *more, *(index for index, _ in flags))
    rest = [index for index, word in enumerate(words) if word and index not in taken]
    classes: tuple[tuple[int, str], ...] = ()
    ones = [index for index in rest if _is_flag_column(sample, index)]
    named = [index for index in rest if _is_label_column(sample, index)]
    boxes = tuple(first[index].strip() for index in rest if words[index] in _BOX_WORDS)
    if label is None and len(ones) > 1:
        classes = tuple((index, first[index].strip()) for index in ones)
        rest = [index for index in rest if index not in ones]
    elif label is None and len(named) == 1:
        label = named[0]
        rest = [index for index in rest if index != label]
    elif label is None and len(rest) == len(ones) == 1:
        label, rest = rest[0], []  # the only question, such as has_cactus: its answers are the labels
    unused = tuple(first[index].strip() for index in rest)
    several = label is not None and words[label] in SEVERAL_WORDS
    return Columns(path, label, set_index, True, flags, classes, unused, False, more, several, boxes)


def _find_label_column(words: Sequence[str], sample: Sequence[list[str]]) -> int | None:
    """Return the column with the first known name of a label; one with words is preferred to one with numbers."""
    known = [words.index(word) for word in LABEL_WORDS if word in words]
    spelled = (index for index in known if not all(_is_number(cells[index]) for cells in sample if len(cells) > index))
    return next(spelled, next(iter(known), None))


def _is_split_column(rows: Sequence[list[str]], index: int) -> bool:
    """Return whether a column of any name contains the names of splits, at least two."""
    cells = {row[index].lower() for row in rows if len(row) > index and row[index]}
    return len(cells) > 1 and all(map(is_split_word, cells)) and len({parse_split(cell) for cell in cells}) > 1


def _is_flag_column(rows: Sequence[list[str]], index: int) -> bool:
    cells = {row[index].lower() for row in rows if len(row) > index}
    # Beside a 0 or an empty cell, −1 does not mean no, but for example "uncertain".
    return cells <= _YES | _NO and not ("-1" in cells and cells & {"0", "0.0", ""})


def _is_label_column(rows: Sequence[list[str]], index: int) -> bool:
    """Return whether a column of unknown name contains labels: few different words, no numbers."""
    cells = [row[index] for row in rows if len(row) > index and row[index]]
    different = set(cells)
    return 1 <= len(different) <= len(cells) // 2 and not any(map(_is_number, different))


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[\d.,-]*", cell) is not None


def _find_unnamed_columns(rows: Sequence[list[str]]) -> Columns:
    """Return the columns of an index without a header, by their content."""
    path = _find_picture_column(rows)
    width = max(map(len, rows))
    splits = [
        index
        for index in range(width)
        if index != path
        and all(not cells[index] or is_split_word(cells[index]) for cells in rows if len(cells) > index)
    ]
    usual = path is None or path == 0 or (path == 1 and splits[:1] == [0])
    # With two columns, words such as train and test may be labels.
    set_index = splits[-1] if splits and width > 2 else None
    others = [index for index in range(width) if index not in (path, set_index)]
    if path is None or len(others) != 1 or (usual and set_index in (None, 0)):
        return Columns(is_free=True)
    return Columns(path, others[0], set_index)


def parse_flag(cell: str, splits: tuple[str, str]) -> str | None:
    """Return the split that yes or no means; None for any other word."""
    word = cell.strip().lower()
    return splits[0] if word in _YES else splits[1] if word in _NO else None


def is_yes(cell: str) -> bool:
    """Return whether the cell of a class is set."""
    return cell.strip().lower() in _YES
