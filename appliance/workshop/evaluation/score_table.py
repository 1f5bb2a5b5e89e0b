"""Write the score of every picture for every label as CSV, for a spreadsheet or another program."""

import csv
import io
from pathlib import Path

import numpy as np

from appliance.errors import WorkshopError, describe_os_error
from appliance.system.atomic_files import write_durably
from appliance.workshop.evaluation.evaluate import Evaluation
from appliance.workshop.evaluation.metrics import NO_SCORE

_DECIMALS = 4
_COLUMNS = ("picture", "label", "best_label", "best_score")
_HEAD = ",".join(_COLUMNS).encode()
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = "=+-@"


def require_score_file(file: Path) -> None:
    """Raise an error if a file exists that is something other than earlier scores, because it would be lost.

    Raises:
        WorkshopError: It is something else, or a folder.
    """
    try:
        with file.open("rb") as old:
            head = old.read(len(_HEAD))
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorkshopError(f"the scores cannot be written to {file}: {describe_os_error(error)}") from error
    if head and head != _HEAD:
        raise WorkshopError(f"{file} contains something other than scores, which would be lost; choose a new file")


def write_scores(evaluation: Evaluation, file: Path) -> None:
    """Write one row per picture: picture, label, best_label, best_score, and the score of each label.

    Background pictures follow the others, without a label. A score that the model does not give is empty.

    Raises:
        WorkshopError: The file cannot be written, or contains something else.
    """
    require_score_file(file)
    model = evaluation.model
    labels = model.predictions.labels
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*_COLUMNS, *map(_protect, labels)])
    parts = [(evaluation.pictures, model.predictions)]
    if model.background is not None:
        parts.append((evaluation.background_pictures, model.background))
    for pictures, predictions in parts:
        for example, target, scores in zip(pictures, predictions.targets, predictions.scores, strict=True):
            best = int(np.argmax(scores))
            label = "|".join(example.labels) if predictions.several is not None else labels[max(target, 0)]
            label = label if target >= 0 else ""
            rows.writerow(
                [_protect(example.name), _protect(label), _protect(labels[best]), _format(scores[best])]
                + [_format(score) for score in scores]
            )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, text.getvalue().encode(errors="replace"), 0o644)
    except OSError as error:
        raise WorkshopError(f"the scores cannot be written to {file}: {describe_os_error(error)}") from error


def _format(score: float) -> str:
    return "" if score == NO_SCORE else f"{score:.{_DECIMALS}f}"


def _protect(text: str) -> str:
    return f"'{text}" if text[:1] and text[0] in _FORMULA_STARTS else text
