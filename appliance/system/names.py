"""Plain names of channels, groups, projects, and labels, which become part of paths, topics and URLs."""

import re

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")


def is_plain_name(text: str) -> bool:
    """Return whether `text` is a plain name.

    A plain name consists of 1 to 64 ASCII letters, digits, dots, hyphens and underscores, and begins with a letter or a
    digit.
    """
    return _PLAIN_NAME.fullmatch(text) is not None


def is_label_name(text: str) -> bool:
    """Return whether a model can be trained with a label of this name: 1 to 32 of A–Z, a–z, 0–9, and _."""
    return _LABEL_NAME.fullmatch(text) is not None
