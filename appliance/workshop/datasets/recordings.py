"""Find the recording that a picture is from: pictures that were taken within seconds show nearly the same.

If pictures of one recording are in the training pictures and in the test pictures, the test only shows that the model
remembers the recording, and "99 % right" means nothing. Therefore every module that separates pictures asks this one:
the assignment of splits, the folds of a cross-validation, and the intervals of figures.

A recording is known by the names of its files, which survive moving, packing, and a CSV index:

- `rec-ID` at the beginning or after `_`, as in `20261130-101500-123_rec-1a2b3c4d`: a picture that was taken while a
  label was recorded (see appliance/teaching/names.py). ID is letters and digits.
- `YYYYMMDD-HHMMSS-mmm-NUMBER`: a frame that the device collected by itself. Frames of the same minute are one
  recording, and so are frames that follow each other within CONTINUOUS_S.
- names with `BURST`, which phones give to a series: `IMG_20261130_101500_BURST003`,
  `00003IMG_00003_BURST20261130101500123_COVER`.

All other pictures are recordings of their own. A number that the name of a copy got (`_2`, ` (2)`) is ignored.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from appliance.workshop.datasets.dataset import Example

CONTINUOUS_S = 10.0
# A recording that must be divided, because its label has no other, is cut into so many parts.
_PARTS = 10

_COPY = re.compile(r"(_\d+| \(\d+\))$")
_RECORDED = re.compile(r"(?:^|_)rec-([0-9A-Za-z]{1,64})(?=[._ -]|$)")
_COLLECTED = re.compile(r"(\d{8})-(\d{6})-(\d{3})-\d+(?:-[a-z0-9_]+)?")
_PHONE_SERIES = re.compile(r"(.+)[_-]BURST\d{1,4}(?:_COVER)?", re.IGNORECASE)
_PHONE_SERIES_TIME = re.compile(r".*_BURST(\d{14,})(?:_COVER)?", re.IGNORECASE)


def find_recording(name: str) -> str | None:
    """Return the recording that the name of a picture states; None for a picture that is not known to be from one.

    A frame that the device collected by itself gets its minute; `list_recordings` joins continuous minutes.

    Args:
        name: The path, zip entry, or URL of the picture.
    """
    if match := _RECORDED.search(PurePosixPath(name).stem):
        return f"rec-{match[1].lower()}"
    for stem in _list_stems(name):
        if (moment_s := _read_time_s(stem)) is not None:
            return f"minute-{int(moment_s // 60)}"
        if match := _PHONE_SERIES_TIME.fullmatch(stem):
            return f"series-{match[1]}"
        if match := _PHONE_SERIES.fullmatch(stem):
            return f"series-{match[1].lower()}"
    return None


def list_recordings(examples: Sequence[Example]) -> list[str]:
    """Return the recording of each picture; a picture that is not known to be from one is its own recording."""
    recordings = [find_recording(example.key) or f"picture-{index}" for index, example in enumerate(examples)]
    joined = _join_continuous_minutes(example.key for example in examples)
    return [joined.get(recording, recording) for recording in recordings]


def join_equal_files(recordings: Sequence[str], digests: Sequence[bytes]) -> list[str]:
    """Return the recording of each picture, with those joined that contain the same file: it is one sample, not two.

    Args:
        recordings: The recording of each picture.
        digests: The hash of each picture's file.
    """
    parents: dict[str, str] = {}

    def find_root(recording: str) -> str:
        while (parent := parents.get(recording, recording)) != recording:
            recording = parent
        return recording

    first: dict[bytes, str] = {}
    for recording, digest in zip(recordings, digests, strict=True):
        one, other = find_root(first.setdefault(digest, recording)), find_root(recording)
        if one != other:
            parents[other] = one
    return [find_root(recording) for recording in recordings]


def divide_sole_recordings(examples: Sequence[Example], recordings: Sequence[str]) -> list[str]:
    """Return the recording of each picture, with those divided that are the only one of a label.

    A label with one recording could not be in two splits at all. It is cut into parts of consecutive pictures, so that
    a training is possible; its figures are too good, for which `list_sole_recordings` gives the labels to warn of.

    Args:
        examples: The pictures.
        recordings: The recording of each one.
    """
    sole = set(list_sole_recordings(examples, recordings))
    divided = list(recordings)
    for label in sole:
        own = [index for index, example in enumerate(examples) if label in example.labels]
        own.sort(key=lambda index: _sort_naturally(examples[index].key))
        parts = min(_PARTS, len(own))
        for rank, index in enumerate(own):
            divided[index] = f"{recordings[index]}#{rank * parts // len(own)}"
    return divided


def list_sole_recordings(examples: Sequence[Example], recordings: Sequence[str]) -> list[str]:
    """Return the labels, sorted, whose two or more pictures are all from one recording."""
    by_label: dict[str, list[str]] = {}
    for example, recording in zip(examples, recordings, strict=True):
        for label in example.labels:
            by_label.setdefault(label, []).append(recording)
    return sorted(label for label, own in by_label.items() if len(own) > 1 and len(set(own)) == 1)


def _list_stems(name: str) -> tuple[str, str]:
    stem = PurePosixPath(name).stem
    return stem, _COPY.sub("", stem)


def _read_time_s(stem: str) -> float | None:
    """Return the time of a collected frame, in seconds since 1970 UTC; None for other names."""
    match = _COLLECTED.fullmatch(stem)
    if match is None:
        return None
    try:
        moment = datetime.strptime(f"{match[1]}{match[2]}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment.timestamp() + int(match[3]) / 1000


def _join_continuous_minutes(names: Iterable[str]) -> dict[str, str]:
    """Return a common name for minutes between which the device collected frames without a pause."""
    times_s = sorted({time_s for name in names for stem in _list_stems(name) if (time_s := _read_time_s(stem))})
    joined: dict[str, str] = {}
    for before_s, after_s in itertools.pairwise(times_s):
        one, other = f"minute-{int(before_s // 60)}", f"minute-{int(after_s // 60)}"
        if one != other and after_s - before_s <= CONTINUOUS_S:
            joined[other] = joined.get(one, one)
    return joined


def _sort_naturally(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
