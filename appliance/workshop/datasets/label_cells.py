"""Read several labels of a picture from the cells of an index: in columns of their own, or in one cell.

    picture.jpg,beach,sunset            AutoML's rows for several labels
    picture.jpg;beach|sunset            one cell, with |, a semicolon, a comma, or spaces between the labels

A cell is divided only if that is what the index as a whole means: with a comma or a space, the divided cells must
contain fewer different words than the whole ones, so that a label such as "hot dog" stays one label.
"""

import re
from collections.abc import Sequence

SEVERAL_WORDS = ("labels", "tags", "classes", "categories", "targets", "annotations", "keywords", "attributes")
"""Names of columns that may contain several labels in one cell."""

_SURE_SEPARATORS = "|;"
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)
_BOX_CORNERS = 4


def find_label_separator(cells: Sequence[str], *, may_hold_several: bool) -> str | None:
    """Return what separates the labels in the cells of a column; None if each cell is one label.

    Args:
        cells: The column's cells.
        may_hold_several: Whether the name of the column is one for several labels, such as tags.
    """
    whole = {cell for cell in cells if cell}
    for separator in f"{_SURE_SEPARATORS}, ":
        if not any(separator in cell for cell in whole):
            continue
        if separator in _SURE_SEPARATORS and may_hold_several:
            return separator
        parts = {part for cell in whole for part in split_cell(cell, separator)}
        if len(parts) < len(whole) and (may_hold_several or separator != " "):
            return separator
    return None


def split_cell(cell: str, separator: str | None) -> list[str]:
    """Return the labels in a cell, which may be written as a list (['a', 'b'])."""
    if separator is None:
        return [cell]
    inner = cell[1:-1] if cell.startswith("[") and cell.endswith("]") else cell
    return [label for part in inner.split(separator) if (label := part.strip().strip("'\"").strip())]


def require_labels(name: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a picture, sorted and each one once; empty for an unlabeled picture.

    Raises:
        ValueError: They are numbers that cannot be labels; the message completes "row 7 of index.csv …".
    """
    found = sorted({label for label in labels if label})
    numbers = [label for label in labels if _NUMBER.fullmatch(label)]
    if len([label for label in labels if label and is_fraction(label)]) >= _BOX_CORNERS:
        raise ValueError(f"gives {name} the corners of a box; an index of labels has none")
    if len(found) > 1 and numbers:
        listed = ", ".join(numbers[:_BOX_CORNERS])
        raise ValueError(
            f"gives {name} numbers among its labels ({listed}); name the columns in a first row, such as path,labels"
        )
    return tuple(found)


def is_number(label: str) -> bool:
    """Return whether a label is a number, so that it may be mistaken for a size or a coordinate."""
    return _NUMBER.fullmatch(label) is not None


def is_fraction(text: str) -> bool:
    """Return whether a text is a number from 0 to 1, such as a coordinate of a box."""
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
