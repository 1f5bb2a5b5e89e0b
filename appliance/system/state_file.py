"""Small JSON files in the state folder: read as a value, replaced as a whole."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from appliance.errors import describe_os_error
from appliance.system.atomic_files import write_atomically
from appliance.system.foreign_text import clean_text
from appliance.system.json_text import parse_json
from appliance.system.regular_files import read_regular_file

T = TypeVar("T")
_LOG = logging.getLogger("appliance")
_MAX_REASON = 200
# As in "'NoneType' object is not subscriptable" and "list indices must be integers or slices, not str".
_PYTHON_TYPE = re.compile(
    r"'\w+' object|\b(indices|argument|positional|unpack|iterable)\b|unhashable|not supported between"
)


class StateFile(Generic[T]):
    """One JSON file that holds one value; a missing or unusable file reads as the default."""

    def __init__(
        self,
        path: Path,
        decode: Callable[[Any], T],
        encode: Callable[[T], Any],
        default: T,
        *,
        mode: int = 0o600,
        durable: bool = True,
        if_unreadable: str = "the defaults are used",
        log: logging.Logger = _LOG,
    ):
        """Describe the file; nothing is read yet.

        Args:
            path: The file; its folder must exist when it is written.
            decode: Builds the value from parsed JSON. A ValueError, TypeError, AttributeError, LookupError or
                ArithmeticError means that the file cannot be used.
            encode: Converts the value for `json.dumps`. The keys are the file's format, so they must be spelled out.
            default: The value of a missing or unusable file.
            mode: The file's permissions.
            durable: Whether a written value must survive a power cut.
            if_unreadable: The consequence of an unusable file, for the log.
            log: Receives the warnings about a file that cannot be used or written.
        """
        self.path = path
        self._decode = decode
        self._encode = encode
        self._default = default
        self._mode = mode
        self._durable = durable
        self._if_unreadable = if_unreadable
        self._log = log

    def read(self) -> T:
        """Return the value in the file, or the default; if the file exists but is unusable, log why."""
        try:
            return self._decode(parse_json(read_regular_file(self.path)))
        except FileNotFoundError:
            return self._default
        except OSError as error:
            reason = describe_os_error(error)
        except KeyError as error:
            reason = f"{error} is missing"
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
            reason = _describe_content(error)
        reason = clean_text(reason, _MAX_REASON)
        self._log.warning("%s cannot be used (%s); %s", self.path, reason, self._if_unreadable)
        return self._default

    def write(self, value: T) -> None:
        """Replace the file.

        Raises:
            OSError: The file cannot be written; the old content remains.
        """
        content = json.dumps(self._encode(value)).encode() + b"\n"
        write_atomically(self.path, content, self._mode, durable=self._durable)

    def write_or_warn(self, value: T, consequence: str) -> None:
        """Replace the file; if that fails, only log it, because the program can do without the file.

        Args:
            value: The new value.
            consequence: What follows if the file keeps its old content, for the log.
        """
        try:
            self.write(value)
        except OSError as error:
            self._log.warning("%s cannot be written (%s); %s", self.path, describe_os_error(error), consequence)


def _describe_content(error: Exception) -> str:
    """Return what is wrong with the content, in words that do not depend on Python."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error}"
    is_pythons_own = isinstance(error, AttributeError) or _PYTHON_TYPE.search(str(error))
    return "its content has another form than the one that this program writes" if is_pythons_own else str(error)
