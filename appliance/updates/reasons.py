"""Prepare the reasons of failures for T/update, where the paths of this device mean nothing and may be private."""

import re

from appliance.system.foreign_text import clean_text

MAX_CHARS = 400
# A folder with everything before it; a URL's path follows its host, and so a letter, a digit or a bracket.
_FOLDERS = re.compile(r"(?<![\w\].:/~%-])/(?:[^\s/:;,'\"()…]+/)+")


def make_reason(text: str) -> str:
    """Return the reason on one line, bounded, and with file names instead of paths."""
    return clean_text(_FOLDERS.sub("", text), MAX_CHARS)
