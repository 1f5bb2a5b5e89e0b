"""The documents of a bundle: its card and its evaluation report, which people read and labeling does not use.

They are optional, so one that cannot be read or is too large is left out, and never makes a bundle invalid.
"""

from collections.abc import Mapping
from pathlib import Path

from appliance.system.atomic_files import write_durably
from appliance.system.regular_files import read_regular_file

MAX_CARD_BYTES = 1_000_000
MAX_REPORT_BYTES = 20_000_000
_CARD = (("MODEL_CARD.md", "README.md"), MAX_CARD_BYTES)
_REPORT = (("report.html", "report/index.html"), MAX_REPORT_BYTES)


def has_card(folder: Path | None) -> bool:
    """Return whether the folder of a bundle contains a card; a model without a folder of its own has none."""
    return _find(folder, *_CARD) is not None


def has_report(folder: Path | None) -> bool:
    """Return whether the folder of a bundle contains an evaluation report."""
    return _find(folder, *_REPORT) is not None


def read_card(folder: Path | None) -> bytes | None:
    """Return the card, Markdown; None if there is none."""
    return _read(folder, *_CARD)


def read_report(folder: Path | None) -> bytes | None:
    """Return the evaluation report, HTML; None if there is none."""
    return _read(folder, *_REPORT)


def read_documents(folder: Path | None) -> dict[str, bytes]:
    """Return the content of each document, by the name under which it is written into other bundles."""
    read = ((names[0], _read(folder, names, limit_bytes)) for names, limit_bytes in (_CARD, _REPORT))
    return {name: content for name, content in read if content is not None}


def write_documents(documents: Mapping[str, bytes], folder: Path) -> None:
    """Write documents into the folder of a bundle; a file with the same content is not written again.

    Raises:
        OSError: The folder cannot be written.
    """
    present = read_documents(folder)
    for name, content in documents.items():
        if present.get(name) != content:
            write_durably(folder / name, content, 0o644)


def _find(folder: Path | None, names: tuple[str, ...], limit_bytes: int) -> Path | None:
    """Return the first regular file with one of the names; a link could lead out of the bundle."""
    if folder is None:
        return None
    for name in names:
        path = folder / name
        try:
            is_linked = path.is_symlink() or (path.parent != folder and path.parent.is_symlink())
            if not is_linked and path.is_file() and path.stat().st_size <= limit_bytes:
                return path
        except OSError:
            continue
    return None


def _read(folder: Path | None, names: tuple[str, ...], limit_bytes: int) -> bytes | None:
    path = _find(folder, names, limit_bytes)
    try:
        return None if path is None else read_regular_file(path, limit_bytes)
    except OSError:
        return None
