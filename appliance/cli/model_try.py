"""Label pictures under each input range that a model may expect, so that a person can pick the right one by looking."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.input_options import declare_input, read_bundle_as_declared
from appliance.errors import ModelError, PictureError
from appliance.system.foreign_text import clean_text
from appliance.system.text_width import measure_width, pad_to_width, read_columns

if TYPE_CHECKING:
    from appliance.bundle.bundle import Bundle
    from appliance.bundle.input_spec import InputSpec
    from appliance.labeling.labeler import Labeler

SHOWN_ANSWERS = 3
_MAX_NAME_COLUMNS = 28
_MIN_NAME_COLUMNS = 12
_GAP = "  "


@dataclass(frozen=True, slots=True)
class TriedPicture:
    """The answers for one picture.

    Attributes:
        picture: The file.
        answers: The best labels with their scores, by the text of the range.
        error: Why the picture could not be labeled; None if it was.
    """

    picture: Path
    answers: Mapping[str, Sequence[tuple[str, float]]]
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry of `appliance model try --json`."""
        if self.error is not None:
            return {"picture": str(self.picture), "error": self.error}
        answers = {
            name: [{"label": label, "score": round(score, 6)} for label, score in best]
            for name, best in self.answers.items()
        }
        return {"picture": str(self.picture), "answers": answers}


def try_ranges(arguments: argparse.Namespace) -> tuple[list[TriedPicture], list[str]]:
    """Label the pictures under each range; return the answers, and lines about the model for people.

    Raises:
        ModelError: The model cannot be used.
        UsageError: The options contradict each other.
    """
    from appliance.labeling.input_check import describe_assumption
    from appliance.labeling.labeler import Labeler

    bundle = _read_bundle(arguments)
    specs = _list_specs(bundle)
    labelers = {name: Labeler(replace(bundle, input=spec)) for name, spec in specs.items()}
    tried = [_try_picture(picture, labelers) for picture in arguments.pictures]
    identity = bundle.identity
    notes = [f"{identity.name} {identity.version}: input {bundle.input.describe()}"]
    if bundle.input.is_assumed:
        notes.append(describe_assumption(identity.name))
    return tried, notes


def format_table(tried: Sequence[TriedPicture]) -> list[str]:
    """Return a table with a row per answer and a column per range, which fits the terminal."""
    names = list(dict.fromkeys(name for picture in tried for name in picture.answers))
    columns = read_columns(sys.stdout)
    first = max((measure_width(clean_text(item.picture.name, 200)) for item in tried), default=0)
    first = max(_MIN_NAME_COLUMNS, min(first, _MAX_NAME_COLUMNS))
    width = max(8, (columns - first - len(_GAP) * len(names)) // max(1, len(names)))
    header = _GAP.join([pad_to_width("", first), *(pad_to_width(name, width) for name in names)]).rstrip()
    lines = [header] if names else []
    for item in tried:
        title = clean_text(item.picture.name, 200)
        if item.error is not None:
            lines.append(f"{pad_to_width(title, first)}{_GAP}{item.error}")
            continue
        for rank in range(max(map(len, item.answers.values()), default=0)):
            cells = [_format_answer(item.answers[name], rank, width) for name in names]
            lines.append(_GAP.join([pad_to_width(title if rank == 0 else "", first), *cells]).rstrip())
    return lines


def _read_bundle(arguments: argparse.Namespace) -> "Bundle":
    from appliance.daemon.active_model import read_device_bundle

    if arguments.model:
        return read_bundle_as_declared(arguments.model, arguments)
    return declare_input(read_device_bundle(), arguments)


def _list_specs(bundle: "Bundle") -> dict[str, "InputSpec"]:
    """Return the common ranges, after the model's own one if it is another."""
    from appliance.bundle.input_spec import list_common_ranges, override

    common = {name: override(bundle.input, declared) for name, declared in list_common_ranges().items()}
    own = bundle.input
    if own.mean is not None and any((own.mean, own.std) == (spec.mean, spec.std) for spec in common.values()):
        return common
    return {"as stated": own} | common


def _try_picture(picture: Path, labelers: Mapping[str, "Labeler"]) -> TriedPicture:
    from appliance.imaging.files import read_picture

    try:
        pixels = read_picture(picture)
        answers = {}
        for name, labeler in labelers.items():
            scores = labeler.score(pixels)
            best = scores.argsort()[::-1][:SHOWN_ANSWERS]
            answers[name] = [(labeler.labels[index], float(scores[index])) for index in best]
    except (PictureError, ModelError) as error:
        return TriedPicture(picture, {}, str(error))
    return TriedPicture(picture, answers)


def _format_answer(answers: Sequence[tuple[str, float]], rank: int, width: int) -> str:
    if rank >= len(answers):
        return pad_to_width("", width)
    label, score = answers[rank]
    return f"{score:.2f} {pad_to_width(label, width - 5)}"
