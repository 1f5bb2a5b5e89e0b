"""Clean and bound text from outside: model files, servers, brokers, cameras, control messages, file names.

Such text reaches logs, terminals, MQTT payloads and systemd's notification socket. A line break in it would forge a
line there, an escape sequence would control the terminal, and a lone surrogate cannot be encoded as UTF-8.
"""

import re

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# ECMA-48: CSI sequences; then OSC, DCS, SOS, PM and APC strings up to their terminator; then all other sequences. The
# strings are bounded, so that an introducer without a terminator removes little of what follows.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n\r]{0,1000}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_BREAKS = re.compile(r"\r\n|[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
# C0 and C1 controls, DEL; Unicode's bidi controls (UAX #9) and its deprecated format
# controls; interlinear annotations; the byte order mark; tag characters.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
# As above, but without the line feed and the tab, which a stream of lines needs.
_CONTROLS_IN_LINES = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str, limit: int) -> str:
    """Return text from outside on one line, without anything that controls a terminal or forges a line.

    Line breaks, tabs, and line and paragraph separators become spaces; escape sequences, control characters and bidi
    controls are removed; lone surrogates become U+FFFD; white space at both ends is removed.

    Args:
        text: Any text.
        limit: The greatest number of characters to return, at least 1; a longer text ends with "…".
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text.strip()
    scanned = text[: 4 * limit + 1024]  # so that a text of many megabytes costs little
    cleaned = _remove_controls(_BREAKS.sub(" ", _ESCAPES.sub("", scanned))).strip()
    if len(cleaned) <= limit and len(scanned) == len(text):
        return cleaned
    return cleaned[: limit - 1].rstrip() + ELLIPSIS


def clean_lines(text: str, limit: int) -> str:
    """Return text of several lines, such as a traceback; each line is cleaned as in clean_text, but not stripped.

    Args:
        text: Any text.
        limit: The greatest number of characters to return, at least 1; a longer text ends with "…".
    """
    scanned = text[: 4 * limit + 1024]
    lines = (_BREAKS.sub(" ", line).rstrip() for line in _ESCAPES.sub("", scanned).split("\n"))
    cleaned = "\n".join(_remove_controls(line) for line in lines)
    if len(cleaned) <= limit and len(scanned) == len(text):
        return cleaned
    return cleaned[: limit - 1].rstrip() + ELLIPSIS


def clean_output(text: str) -> str:
    """Return text that is about to be written to a stream, without anything that controls a terminal.

    Only line feeds and tabs remain of the control characters; nothing else changes, and nothing is cut.
    """
    if text.isascii() and text.isprintable():
        return text
    return _SURROGATES.sub(REPLACEMENT, _CONTROLS_IN_LINES.sub("", _ESCAPES.sub("", text)))


def _remove_controls(text: str) -> str:
    return _SURROGATES.sub(REPLACEMENT, _INVISIBLE.sub("", text))
