"""Read the text of an index file: UTF-8 or UTF-16, of limited size."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import DatasetError, describe_unreadable
from appliance.workshop.datasets.split_names import Split

_NO_LABEL = {"", "nan", "null", "n/a", "#n/a"}
MAX_INDEX_BYTES = 100_000_000  # AutoML's limit for a CSV
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What is often saved under the name of an index or a picture.
_OTHER_FILES = (
    (b"PK\x03\x04", "a zip or a spreadsheet; unpack it, or save it as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file; run: git lfs pull"),
    (b"<!doctype html", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
)


@dataclass(frozen=True, slots=True)
class IndexRecord:
    """What an index states about one picture.

    Attributes:
        row: The row for people, such as "row 7".
        name: The path or URL of the picture, as in the index.
        label: The label, or the first of several; None for an unlabeled picture.
        split: None if the index assigns none.
        paths: Paths at which the picture may be, in the order of preference; empty for `name` alone.
        others: The other labels of a picture with several.
    """

    row: str
    name: str
    label: str | None
    split: Split | None
    paths: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def make_record(
    row: str, name: str, labels: Sequence[str], split: Split | None, paths: tuple[str, ...] = ()
) -> IndexRecord:
    """Return what an index states about a picture with any number of labels; some programs write nan for none."""
    found = sorted({label for label in labels if label.lower() not in _NO_LABEL})
    return IndexRecord(row, name, found[0] if found else None, split, paths, tuple(found[1:]))


def read_index_text(index: Path) -> str:
    """Return the content of an index file.

    Raises:
        DatasetError: The file cannot be read, is too large, or is not text.
    """
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            raise DatasetError(f"{index} is larger than {MAX_INDEX_BYTES // 1_000_000} MB, the limit for an index")
        content = index.read_bytes()
    except OSError as error:
        raise DatasetError(describe_unreadable(index, error)) from error
    return decode_index(content, str(index))


def describe_other_file(head: bytes) -> str | None:
    """Return what a file is that was meant to be text or a picture, with the remedy; None for any other content."""
    start = head[:64].lstrip().lower()
    return next((text for magic, text in _OTHER_FILES if start.startswith(magic.lower())), None)


def decode_index(content: bytes, name: str) -> str:
    """Decode the content of an index, whose encoding its first bytes show.

    Raises:
        DatasetError: The content is not text in UTF-8 or UTF-16.
    """
    if other := describe_other_file(content):
        raise DatasetError(f"{name} is {other}")
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    if encoding is None:
        # Without a mark, the zero bytes of Latin letters show UTF-16.
        head = content[:1000]
        odd, even = head[1::2].count(0), head[::2].count(0)
        encoding = "utf-8"
        if len(head) > 3 and max(odd, even) > 0.4 * len(head) / 2:
            encoding = "utf-16-le" if odd > even else "utf-16-be"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name} is not UTF-8 text; save it as UTF-8") from error
