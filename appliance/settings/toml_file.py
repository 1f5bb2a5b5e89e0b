"""Read a TOML file, and find the line of every fault in it, including those for which tomllib gives none."""

import re
import tomllib
from pathlib import Path
from typing import Any

from appliance.errors import SettingsError, describe_os_error

MAX_BYTES = 1_000_000
# Each line that may contain the fault costs a parse of everything before it.
_MAX_PARSES = 3000
_HINT = "each line is key = value, with quotes around a string, and none around numbers, true and false"


def read_toml_file(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the file's text and its tables.

    Raises:
        SettingsError: The file cannot be read, or is not TOML.
    """
    text = _decode(path, _read(path))
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_describe_toml_error(path, text, str(error))) from error
    except RecursionError as error:
        reason, hint = "the brackets are nested too deeply", "no setting has more than two levels"
        raise SettingsError(f"{_locate_fault(path, text)}: not valid TOML ({reason}); {hint}") from error
    except ValueError as error:  # Python's limit on the digits of a whole number
        reason, hint = "a number has too many digits", "no setting needs more than 15"
        raise SettingsError(f"{_locate_fault(path, text)}: not valid TOML ({reason}); {hint}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise SettingsError(
            f"{path} cannot be read by this account; run the command with sudo, or let all accounts read it with: "
            f"sudo chmod a+r {path}"
        ) from error
    except OSError as error:
        reason = describe_os_error(error)
        raise SettingsError(f"{path} cannot be read: {reason}; give another file with --config") from error
    except ValueError as error:  # a null byte in the path
        raise SettingsError(f"{path} cannot be read: {error}; give another file with --config") from error
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_BYTES / 1e6:g} MB; give a settings file with --config")
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error


def _describe_toml_error(path: Path, text: str, reason: str) -> str:
    """Return the error for a file that tomllib rejects.

    Args:
        path: The file.
        text: Its content.
        reason: The text of tomllib's error, such as "Invalid value (at line 2, column 10)".
    """
    hint = "each key and each section may appear only once" if reason.startswith("Cannot ") else _HINT
    if match := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", reason, re.DOTALL):
        return f"{path}, line {match[2]}: not valid TOML ({match[1]}, column {match[3]}); {hint}"
    # At the end of the document, tomllib found something missing that the faulty line should have ended.
    return f"{_locate_fault(path, text)}: not valid TOML ({reason.removesuffix(' (at end of document)')}); {hint}"


def _locate_fault(path: Path, text: str) -> str:
    """Return the file and the first line that makes it invalid: all lines before it are valid TOML by themselves."""
    lines = text.split("\n")
    for count in range(len(lines) - 1, max(-1, len(lines) - 1 - _MAX_PARSES), -1):
        try:
            tomllib.loads("\n".join(lines[:count]))
        except (ValueError, RecursionError):
            continue
        # Blank lines and comments never are the fault.
        fault = next((i for i in range(count, len(lines)) if lines[i].split("#")[0].strip()), count)
        return f"{path}, line {fault + 1}"
    return str(path)
