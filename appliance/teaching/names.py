"""The names of labels and of pictures in the dataset of the device.

A picture's name begins with what it is, so that its origin survives an export and an import:

    20261129-231500-123_rec-1a2b3c4d    taken while a label was recorded; all of one recording share the last part
    20261129-231500-123-42              collected by the daemon (appliance/collection)
    event-9f8e7d6c5b4a-17               the picture of an event whose label was wrong
    import-0123456789abcdef0123         imported; with _rec-… if its name had one
"""

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum

from appliance.errors import TeachingError
from appliance.system.foreign_text import clean_text

BACKGROUND = "background"
"""The folder of pictures that show none of the labels, as in training."""
MIN_PICTURES = 10
"""A label with fewer pictures is kept out of training."""

# A dataset whose folders all have such names would be read as divided into these parts.
_PARTS = {
    "train", "training", "validation", "valid", "val", "test", "testing", "holdout", "unassigned", "unlabeled",
}  # fmt: skip
MAX_LABEL = 32
_SHOWN = 80
# Letters that Unicode does not decompose.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L"}
)

_TIME = r"\d{8}-\d{6}-\d{3}"
_TIME_PARTS = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)-(\d{3})")
_RECORDING = re.compile(r"(?:^|_)rec-([0-9a-f]{8})(?=[._-]|$)")
_OWN = re.compile(
    rf"(?P<recorded>{_TIME}_rec-[0-9a-f]{{8}})"
    rf"|(?P<collected>{_TIME}-\d+(-[a-z0-9_]{{1,32}})?)"
    r"|(?P<event>event-[A-Za-z0-9][A-Za-z0-9_-]{0,79})"
    r"|(?P<imported>import-[0-9a-f]{20}(_rec-[0-9a-f]{8})?)"
)


class PictureOrigin(StrEnum):
    """How a picture came into the dataset."""

    RECORDED = "recorded"
    COLLECTED = "collected"
    EVENT = "event"
    IMPORTED = "imported"


def write_in_latin(text: str) -> str:
    """Return a text in letters from A to Z; without the extra workshop, those of other scripts get lost."""
    try:
        from anyascii import anyascii

        return anyascii(text)
    except (ImportError, OSError):  # it loads each script late, when this thread may not read the program's folder
        plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
        return "".join(character for character in plain if not unicodedata.combining(character))


def clean_label(text: str) -> str:
    """Return the valid name of a label for what a person wrote: "hot dog" becomes hot_dog, and Müsli Musli.

    Args:
        text: Any text.

    Raises:
        TeachingError: No letter or digit is left.
    """
    name = re.sub(r"[^A-Za-z0-9_]+", "_", write_in_latin(text[:1000])).strip("_")[:MAX_LABEL].strip("_")
    shown = clean_text(text, _SHOWN)
    if not name:
        raise TeachingError(400, f"the label {shown!r} has no letter from A to Z and no digit; give it another name")
    if name.lower() in _PARTS:
        raise TeachingError(400, f"the label {shown!r} is the name of a part of a dataset; use another, as toy_{name}")
    return name


def find_recording(name: str) -> str | None:
    """Return the id of the recording that a picture belongs to; None for any other picture.

    Pictures of one recording show one thing from nearly the same place, so a model must not be tried on some of them
    after it was trained on others.

    Args:
        name: The name or path of the picture, also after an export, an import, or a renaming that kept this part.
    """
    match = _RECORDING.search(name.rpartition("/")[2])
    return match[1] if match else None


def find_origin(stem: str) -> PictureOrigin | None:
    """Return the origin that a file name without its suffix states; None if this program did not make the name."""
    match = _OWN.fullmatch(stem)
    return PictureOrigin(match.lastgroup or "imported") if match and match.lastgroup else None


def make_recorded_stem(time_s: float, recording: str) -> str:
    """Return the name of a picture of a recording, without the suffix."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03d}_rec-{recording}"


def parse_time(stem: str) -> float | None:
    """Return the time in the name of a recorded or collected picture, Unix time in seconds; None without one."""
    match = _TIME_PARTS.match(stem)
    if match is None:
        return None
    year, month, day, hour, minute, second, millisecond = map(int, match.groups())
    try:  # not strptime, which loads a module late, when this thread may not read the program's folder
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() + millisecond / 1000
