"""Problems of a dataset: one for each file, label, or row that is not used as it is."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """The kinds of problems; WRONG_NAME, LOST_LABEL, and MISREAD prevent training, SKIPPED and UNUSED are no faults."""

    UNREADABLE = "unreadable"
    """A file is missing or damaged, or is not a picture although it has a picture's name."""
    TOO_LARGE = "too_large"
    WRONG_FORMAT = "wrong_format"
    """A picture is in an unsupported format, or in one that does not match its name."""
    WRONG_NAME = "wrong_name"
    """A label has a name that cannot be used."""
    REFUSED = "refused"
    """A link, a path that points outside, an encrypted entry, or a name that cannot be printed."""
    WRONG_ROW = "wrong_row"
    """A row of a CSV index is invalid."""
    LOST_LABEL = "lost_label"
    """A folder that is a label cannot be read at all, so that a model would lack the label."""
    MISREAD = "misread"
    """The folders or columns have several meanings, so that a model would learn something else than intended."""
    NO_PICTURES = "no_pictures"
    """A folder beside those of the labels has no picture."""
    UNUSED = "unused"
    """A column, row, or subfolder means nothing for a dataset."""
    SKIPPED = "passed_over"
    """A file is not a picture and does not have a picture's name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One file, label, or row that is not used, or is not used as it is.

    Attributes:
        kind: The kind of problem.
        name: The file, label, or row.
        message: The fact and the remedy, for people.
    """

    kind: ProblemKind
    name: str
    message: str


def is_printable(name: str) -> bool:
    """Return whether a name consists of letters, symbols, and spaces of any script.

    Other characters break tables and terminals; they come from a wrong encoding or an attack. Unusual spaces are
    allowed because Japanese names and macOS screenshots contain them.
    """
    return all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in name)
