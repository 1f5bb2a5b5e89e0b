"""Read a CSV index: one picture per row, in the format of AutoML Vision, or with named columns.

    [TRAIN|VALIDATION|TEST|UNASSIGNED,]PATH-OR-URL[,LABEL]…

(cloud.google.com/automl/docs/reference/rest/v1/InputConfig, "AutoML Vision, Classification"). A path is relative to the
CSV's folder; a gs:// URL, after percent-decoding, is looked up in the local copy of its bucket (--gs). A row without a
label is an unlabeled picture; a row may have several labels (see label_cells). The first row may name the columns in
any order (see csv_columns); the others are reported. The separator is a comma, a semicolon, a tab, or |.
"""

import csv
import re
from collections.abc import Sequence

from appliance.errors import DatasetError
from appliance.workshop.datasets.csv_columns import (
    UNASSIGNED,
    Columns,
    find_columns,
    is_picture_name,
    is_split_word,
    is_yes,
    parse_flag,
)
from appliance.workshop.datasets.index_text import IndexRecord, make_record
from appliance.workshop.datasets.label_cells import find_label_separator, require_labels, split_cell
from appliance.workshop.datasets.label_studio import is_on_server, locate_picture
from appliance.workshop.datasets.problems import Problem, ProblemKind, is_printable
from appliance.workshop.datasets.split_folders import parse_split

_SEPARATORS = ",;\t|"
# The first line with which Excel writes and reads another separator.
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
_SAMPLED_LINES = 50
_SHOWN = 80


def parse_csv(text: str, source: str, name: str) -> tuple[list[IndexRecord], list[Problem]]:
    """Return what the rows of a CSV index state, and the problems of invalid rows.

    Args:
        text: The content.
        source: The path for errors about the whole file.
        name: The file name for problems of rows.

    Raises:
        DatasetError: The text is not CSV.
    """
    everything = _read_cells(text, source)
    rows = [(line, cells) for line, cells in everything if not cells[0].startswith("#")]
    problems: list[Problem] = []
    if comments := len(everything) - len(rows):
        message = f"{comments} {'row' if comments == 1 else 'rows'} of {name} begin with # and are comments"
        problems.append(Problem(ProblemKind.UNUSED, name, message))
    if not rows:
        return [], problems
    columns = find_columns([cells for _, cells in rows], source)
    if columns.unused:
        message = f"{name} has columns that are not used: {', '.join(columns.unused)}"
        problems.append(Problem(ProblemKind.UNUSED, name, message))
    if columns.boxes:
        message = (
            f"{name} lists boxes ({', '.join(columns.boxes)}), but labels are for whole pictures; to use the classes "
            "as labels, remove these columns"
        )
        problems.append(Problem(ProblemKind.MISREAD, name, message))
    if columns.has_header:
        # An index that was joined from several has the row again.
        rows = [(line, cells) for line, cells in rows[1:] if cells != rows[0][1]]
    separator = _find_label_separator([cells for _, cells in rows], columns)
    records: list[IndexRecord] = []
    for line, cells in rows:
        row = f"row {line}"
        try:
            records.append(_parse_row(row, cells, columns, separator))
        except ValueError as error:
            problems.append(Problem(ProblemKind.WRONG_ROW, row, f"{row} of {name} {error}"))
    return records, problems


def _read_cells(text: str, source: str) -> list[tuple[int, list[str]]]:
    """Return (line number, stripped cells) of each row that is not empty."""
    lines = text.splitlines(keepends=True)
    stated = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    separator = stated[1] if stated is not None and stated[1] in _SEPARATORS else _find_separator(lines)
    first = 1 if stated is not None else 0
    reader = csv.reader(lines[first:], delimiter=separator, skipinitialspace=True)
    try:
        rows = [(reader.line_num + first, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise DatasetError(f"{source}, line {reader.line_num + first}: not CSV: {error}") from error
    return [(line, cells) for line, cells in rows if any(cells)]


def _find_separator(lines: Sequence[str]) -> str:
    """Return the separator with which most rows contain a picture and another cell; a comma if none is better."""
    sample = [line for line in lines if line.strip() and not line.startswith("#")][:_SAMPLED_LINES]

    def count_rows(separator: str) -> int:
        try:
            rows = list(csv.reader(sample, delimiter=separator, skipinitialspace=True))
        except csv.Error:
            return 0
        return sum(len(cells) > 1 and any(is_picture_name(cell.strip()) for cell in cells) for cells in rows)

    return max(_SEPARATORS, key=count_rows)


def _find_label_separator(rows: Sequence[list[str]], columns: Columns) -> str | None:
    """Return what separates several labels in one cell; None if each cell is one label."""
    if columns.is_free:
        found = [labels for _, _, labels in map(_parse_free, rows)]
        if any(len(labels) > 1 for labels in found):
            return None
        return find_label_separator([labels[0] for labels in found if labels], may_hold_several=False)
    if columns.label is None or columns.more_labels:
        return None
    cells = [row[columns.label] for row in rows if len(row) > columns.label]
    return find_label_separator(cells, may_hold_several=columns.may_hold_several)


def _parse_free(cells: list[str]) -> tuple[str, str, list[str]]:
    """Return the split, the picture, and the labels of a row without named columns."""
    # The word is enough to tell a split from a picture: no picture is named TRAIN without a suffix.
    has_set = cells[0] == "" or is_split_word(cells[0])
    set_word, (name, *labels) = (cells[0], cells[1:] or [""]) if has_set else ("", cells)
    return set_word, name, [label for label in labels if label]


def _parse_row(row: str, cells: list[str], columns: Columns, separator: str | None) -> IndexRecord:
    """Return the content of a row.

    Raises:
        ValueError: The row is invalid; the message completes "row 7 of index.csv …".
    """
    if columns.is_free:
        set_word, name, labels = _parse_free(cells)
        if not is_picture_name(name) and any(map(is_picture_name, labels)):
            raise ValueError(f"has {name!r} instead of TRAIN, VALIDATION, TEST, or UNASSIGNED")
    else:
        classes = (index for index, _ in columns.classes)
        width = max(columns.path, columns.label or 0, columns.set or 0, *classes, *columns.more_labels) + 1
        cells = cells + [""] * (width - len(cells))
        set_word = cells[columns.set] if columns.set is not None else ""
        name, labels = cells[columns.path], [cells[columns.label]] if columns.label is not None else []
        labels += [cells[index] for index in columns.more_labels]
        labels += [label for index, label in columns.classes if is_yes(cells[index])]
    for column, splits in reversed(columns.flags):
        cell = cells[column] if len(cells) > column else ""
        flagged = parse_flag(cell, splits)
        if flagged is None:
            raise ValueError(f"has {cell!r} instead of true or false")
        set_word = flagged if flagged == splits[0] or not set_word else set_word
    split = parse_split(set_word)
    if split is None and set_word and set_word.upper() != UNASSIGNED:
        raise ValueError(f"has {set_word!r} instead of TRAIN, VALIDATION, TEST, or UNASSIGNED")
    if not name:
        raise ValueError("contains no picture")
    if not is_printable(name):
        raise ValueError(f"contains a picture name with characters that cannot be printed: {name!r}")
    labels = [label for cell in labels for label in split_cell(cell, separator)]
    if unprintable := next((label for label in labels if not is_printable(label)), None):
        raise ValueError(f"gives {name} a label with line breaks or control characters: {unprintable[:_SHOWN]!r}")
    labels = list(require_labels(name, labels)) if columns.is_free else labels
    return make_record(row, name, labels, split, locate_picture(name, None) if is_on_server(name) else ())
