"""Change single values in the text of a settings file; everything else, comments included, stays as it is."""

import re

_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")


def set_value(text: str, section: str, key: str, value: str) -> str:
    """Return the text with `key = value` in a section; the section is added at the end if it is missing.

    Args:
        text: The text of a valid settings file.
        section: A section such as `web`.
        key: A key of this section.
        value: The value as TOML, on one line.
    """
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if _read_header(line) == section), None)
    if start is None:
        return "\n".join([*lines, *([""] if lines else []), f"[{section}]", f"{key} = {value}", ""])
    end = next(
        (number for number in range(start + 1, len(lines)) if _read_header(lines[number]) is not None), len(lines)
    )
    assignment = re.compile(rf"\s*{re.escape(key)}\s*=")
    commented = re.compile(rf"\s*#\s*{re.escape(key)}\s*=")
    for pattern in (assignment, commented):
        for number in range(start + 1, end):
            if pattern.match(lines[number]):
                last = _find_end(lines, number, end) if pattern is assignment else number + 1
                lines[number:last] = [f"{key} = {value}"]
                return "\n".join([*lines, ""])
    lines.insert(start + 1, f"{key} = {value}")
    return "\n".join([*lines, ""])


def _read_header(line: str) -> str | None:
    header = _HEADER.fullmatch(line)
    return header[1].replace('"', "").replace("'", "") if header else None


def _find_end(lines: list[str], start: int, end: int) -> int:
    """Return the line after a value, which may be a list over several lines."""
    depth = 0
    for number in range(start, end):
        bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|#.*", "", lines[number])
        depth += bare.count("[") - bare.count("]")
        if depth <= 0:
            return number + 1
    return end
