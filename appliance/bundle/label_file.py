"""Parse label files.

A label file has one label per line. Teachable Machine and others write the index of each label before it: "0 Mask",
"1 No mask". The index is not part of the label, so it is removed if every line starts with its own.
"""

import codecs
import re
from collections.abc import Sequence

from appliance.errors import BundleError
from appliance.system.foreign_text import clean_text

MAX_LABEL_CHARS = 255
MAX_LABELS = 1_000_000

# An index, a separator, a label. A colon, comma, or period before a digit is part of a number or a time: "1,5 kg".
_NUMBERED = re.compile(r"\s*(\d{1,7})(?:\s*[;\t)]\s*|\s*[:,.](?!\d)\s*|\s+-\s+|\s+)(\S.*)")
_CLEARLY_SEPARATED = re.compile(r"\s*\d+\s*[;\t):,.]")
_HEADER = re.compile(r"[\"']?(?:labels?|class(?:es)?|class[ _-]?names?|names?|index|id|category)[\"']?", re.IGNORECASE)
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def parse_labels(text: bytes, source: str) -> tuple[str, ...]:
    """Parse a label file as it is: one label per line, with or without a final newline, LF or CRLF.

    Args:
        text: The file's bytes: UTF-8, or UTF-16 with a byte order mark.
        source: How to refer to it in errors.

    Raises:
        BundleError: The file is empty, is not text in one of these encodings, or contains an empty line.
    """
    decoded = _decode(text, source)
    if decoded.lstrip().lower().startswith(("<!doctype", "<html")):
        raise BundleError(f"{source} is not a label file: it is a web page")
    labels = [line.strip() for line in decoded.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise BundleError(f"{source} is empty; it must have one label per line")
    if "" in labels:
        raise BundleError(f"{source}: line {labels.index('') + 1} is empty; every output of the model needs a label")
    if len(labels) > MAX_LABELS:
        raise BundleError(f"{source} has {len(labels)} lines, more than the limit of {MAX_LABELS}")
    return tuple(labels)


def strip_header(labels: Sequence[str], outputs: int) -> tuple[str, ...]:
    """Return the labels of a table without its header, which is there if it is one line too long."""
    fields = re.split(r"[,;\t]", labels[0])
    has_header = len(labels) == outputs + 1 and all(_HEADER.fullmatch(field.strip()) for field in fields)
    return tuple(labels[1:] if has_header else labels)


def strip_numbers(labels: Sequence[str]) -> tuple[str, ...]:
    """Remove the index before each label, if every line starts with its own index, counted from 0.

    Indexes counted from 1 are removed too, but only with a separator other than a space: "1 room" and "2 rooms" are
    labels. Nothing is removed if two labels would become the same: "0 cups" and "1 cups" are labels.
    """
    matches = [_NUMBERED.fullmatch(label) for label in labels]
    numbers = [int(match[1]) for match in matches if match]
    stripped = tuple(match[2].strip().strip('"') for match in matches if match)
    is_from_0 = numbers == list(range(len(labels)))
    is_from_1 = numbers == list(range(1, len(labels) + 1)) and all(map(_CLEARLY_SEPARATED.match, labels))
    if not (is_from_0 or is_from_1) or len(set(stripped)) < len(set(labels)) or not all(stripped):
        return tuple(labels)
    return stripped


def clean_labels(labels: Sequence[str], source: str) -> tuple[str, ...]:
    """Remove control characters from labels and bound their length.

    Args:
        labels: The labels.
        source: How to refer to their file in errors.

    Raises:
        BundleError: A label consists of control characters only.
    """
    cleaned = tuple(clean_text(label, MAX_LABEL_CHARS) for label in labels)
    if "" in cleaned:
        raise BundleError(f"{source}: label {cleaned.index('') + 1} contains no visible character")
    return cleaned


def _decode(text: bytes, source: str) -> str:
    encoding = next((name for bom, name in _BOMS.items() if text.startswith(bom)), "utf-8")
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{source} is not a label file: it is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    if "\0" in decoded:
        raise BundleError(f"{source} is not a label file: it contains binary data; save it as UTF-8 text")
    return decoded
