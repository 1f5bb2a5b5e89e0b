"""Describe the result of a training for the page, from what `appliance train` and `appliance evaluate` print."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from appliance.system.foreign_text import clean_text
from appliance.teaching.names import BACKGROUND

_MAX_TEXT = 500
_MAX_MISTAKES = 24
_DECIMAL_BELOW = 9.95
_MAX_WARNINGS = 20
# Beginnings of warnings about the figures of the training alone, which mean nothing beside those of held-out pictures.
_OF_TRAINING_FIGURES = ("all pictures of ", "less than half of the pictures of ", "only ")
# Advice for the command line → what to do on the page.
_ON_THE_PAGE = (
    (re.compile(r"lower the threshold of the label with evaluate --set-threshold \S+"), "lower the threshold"),
    (re.compile(r"accept more mistakes with evaluate --target-precision \S+"), "lower the threshold"),
    (re.compile(r"evaluate on about ([\d,]+) pictures or more"), r"about \1 held-out pictures are needed; record more"),
    (re.compile(rf"(?<=[ ,]){BACKGROUND}(?=[,; ])"), "none of these"),
)
_NOTHING_HELD_OUT = (
    "no picture could be held out, so it is unknown how good this model is; record each thing at least twice, from "
    "another side, {least} pictures or more"
)


def describe_result(
    trained: Mapping[str, Any], evaluated: Mapping[str, Any] | None, unmeasured: Sequence[str], least: int
) -> dict[str, Any]:
    """Return the object `result` of GET /api/training.

    Args:
        trained: The value of `appliance train --json`.
        evaluated: The value of `appliance evaluate --json` on the held-out pictures; None if there were none.
        unmeasured: The labels without held-out pictures.
        least: The number of pictures that two recordings need to be measured.
    """
    model = trained["model"]
    value = evaluated or {}
    against = value.get("against") or {}
    warnings = [_word_for_page(each) for each in _list_warnings(trained, evaluated)][:_MAX_WARNINGS]
    if evaluated and unmeasured:
        warnings.append(
            f"no picture of {', '.join(unmeasured)} was held out; record it a second time, from another side"
        )
    at_threshold = value.get("at_threshold") or trained["at_threshold"]
    pictures = int(value.get("pictures", 0))
    return {
        "name": str(model["name"]),
        "version": str(model["version"]),
        "labels": [str(label) for label in trained["labels"] if label != trained.get("background_label")],
        "accuracy": _count_right(_find_accuracy(value), pictures),
        "running_accuracy": _count_right(_find_accuracy(against), pictures),
        "comparison": _text_or_none(against.get("answer")),
        "sentence": _word_for_page(against.get("says") or _NOTHING_HELD_OUT.format(least=least)),
        "rejection": _describe_rejection(trained.get("rejection")),
        "curve": [
            {
                "threshold": float(point["threshold"]),
                "precision": _describe_share(point.get("precision")),
                "recall": _describe_share(point.get("recall")),
            }
            for point in value.get("threshold_curve", ())
        ],
        "threshold": float(at_threshold["threshold"]),
        "mistakes": [_describe_mistake(each) for each in value.get("mistakes", ())][:_MAX_MISTAKES],
        "per_label": [
            {
                "label": str(each["label"]),
                "recall": _describe_share(each["intervals"]["recall"]),
                "pictures": int(each.get("pictures", 0)),
            }
            for each in value.get("per_label", ())
        ],
        "warnings": warnings,
    }


def _list_warnings(trained: Mapping[str, Any], evaluated: Mapping[str, Any] | None) -> list[Any]:
    """Return the warnings about the pictures, and those about the figures that the page shows."""
    warnings = list(trained.get("warnings", ()))
    if evaluated is None:
        return warnings
    about_pictures = [each for each in warnings if not str(each).startswith(_OF_TRAINING_FIGURES)]
    return [*about_pictures, *evaluated.get("warnings", ())]


def _word_for_page(text: Any) -> str:
    """Return a sentence of a command with the advice that fits the page, clean and bounded."""
    words = clean_text(str(text), _MAX_TEXT)
    for pattern, better in _ON_THE_PAGE:
        words = pattern.sub(better, words)
    return words


def _describe_share(figure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a figure with its interval; None if it is not known."""
    if figure is None or figure.get("value") is None:
        return None
    return {key: figure.get(key) for key in ("value", "low", "high")}


def _count_right(figure: Any, pictures: int) -> dict[str, float | int | None] | None:
    share = _describe_share(figure)
    if share is None or not pictures:
        return None
    return {**share, "right": round(share["value"] * pictures), "pictures": pictures}


def _find_accuracy(model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the accuracy of a model with its interval; None if it was not measured."""
    return (model.get("intervals") or {}).get("accuracy")


def _describe_mistake(mistake: Mapping[str, Any]) -> dict[str, Any]:
    shown, guess = mistake.get("shows"), mistake.get("label")
    return {
        "picture_id": PurePosixPath(str(mistake["picture"])).stem,
        "label": None if shown in (None, BACKGROUND) else str(shown),
        "guess": None if guess in (None, BACKGROUND) else str(guess),
        "score": float(mistake.get("score") or 0.0),
    }


def _describe_rejection(rejection: Any) -> str | None:
    """Return what it costs to give no label to other things; None if that was not measured."""
    keys = ("recall", "recall_without", "passed", "passed_without")
    found = [rejection.get(key) for key in keys] if isinstance(rejection, Mapping) else []
    figures = [100 * figure for figure in found if isinstance(figure, int | float)]
    if len(figures) != len(keys):
        return None
    recall, recall_without, passed, passed_without = figures
    return (
        f"of pictures of other things, {_format(passed)} % instead of {_format(passed_without)} % get a label; "
        f"for that, {recall:.0f} % instead of {recall_without:.0f} % of your things get theirs"
    )


def _format(percent: float) -> str:
    """Return a share in percent, with a decimal if it is small: 0, 0.8, 41."""
    return f"{percent:.1f}".removesuffix(".0") if percent < _DECIMAL_BELOW else f"{percent:.0f}"


def _text_or_none(text: Any) -> str | None:
    return clean_text(text, _MAX_TEXT) if isinstance(text, str) and text else None
