"""Write the report of an evaluation: one HTML file that works offline in any browser, with an adjustable threshold.

The page (report_page/) computes everything from the scores, so that one slider updates all figures together. The
scores, the areas, and the thumbnails of the worst mistakes are embedded. The page downloads nothing, and its content
security policy prevents that. Untrusted text (labels, file names) is embedded as JSON and displayed as text, never as
markup.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from appliance import __version__
from appliance.errors import PictureError, WorkshopError, describe_os_error
from appliance.imaging.files import encode_jpeg, read_picture, resize_to_square
from appliance.system.atomic_files import write_durably
from appliance.system.foreign_text import clean_text
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.difference import Comparison
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.intervals import share_effective
from appliance.workshop.evaluation.json_report import as_dict
from appliance.workshop.evaluation.metrics import Predictions, compute_area
from appliance.workshop.evaluation.mistakes import find_wrong_labels
from appliance.workshop.evaluation.quality import describe_share

PAGE_FOLDER = Path(__file__).parent / "report_page"
REPORT_FILE = "index.html"

# Scores are stored as whole numbers of 1 / _STEPS; see count.js.
_STEPS = 10_000
# A float32 may be up to 6e-8 below the threshold that it should equal.
_ROUNDING = 1e-3
# If there are more labels than this, scores below the lowest threshold of the slider are left out.
_MANY_LABELS = 40
_LOWEST_THRESHOLD = 0.01
_MISTAKES = 18
# How an earlier report is recognized.
_MARK = b'<meta name="generator" content="appliance evaluate">'
_HEAD_BYTES = 2000
_THUMBNAIL_PX = 200


def require_report_folder(folder: Path) -> None:
    """Raise an error if a folder holds anything other than an earlier report.

    Raises:
        WorkshopError: The folder holds something else, is a file, or cannot be read.
    """
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise WorkshopError(
                f"the report cannot be written to {folder}, which is a file; give it a folder of its own"
            )
        others = sorted(path.name for path in folder.iterdir() if path.name != REPORT_FILE)
        file = folder / REPORT_FILE
        if not others and (not file.exists() or _MARK in file.read_bytes()[:_HEAD_BYTES]):
            return
    except OSError as error:
        raise WorkshopError(f"the report cannot be written to {folder}: {describe_os_error(error)}") from error
    found = clean_text(others[0] if others else REPORT_FILE, 80)
    raise WorkshopError(f"{folder} contains something other than a report ({found}); give the report a new folder")


def write_report(
    evaluation: Evaluation, comparison: Comparison | None, folder: Path, max_loss: float | None = None
) -> Path:
    """Write the report.

    Args:
        evaluation: The result to display.
        comparison: The comparison with the baseline, if there is one.
        folder: Created if missing; its index.html is replaced.
        max_loss: The loss that is allowed, as a share; None if none was given.

    Returns:
        The path of the file.

    Raises:
        WorkshopError: The file cannot be written, or the folder holds something else.
    """
    require_report_folder(folder)
    page = render_report(evaluation, comparison, max_loss)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / REPORT_FILE, page.encode(errors="replace"), 0o644)  # names may be no UTF-8
    except OSError as error:
        raise WorkshopError(f"the report cannot be written to {folder}: {describe_os_error(error)}") from error
    return folder / REPORT_FILE


def render_report(evaluation: Evaluation, comparison: Comparison | None = None, max_loss: float | None = None) -> str:
    """Return the page's HTML; the same evaluation always gives the same page."""
    data = json.dumps(_collect_data(evaluation, comparison, max_loss), ensure_ascii=False, separators=(",", ":"))
    # Inside a script element, only "<" could end the element.
    data = data.replace("<", "\\u003c")
    page = _read_part("page.html").replace("{{css}}", _read_part("page.css"))
    before, after = page.split("{{data}}")
    for script in ("count", "page"):
        after = after.replace(f"{{{{{script}}}}}", _read_part(f"{script}.js"))
    return before + data + after


def _read_part(name: str) -> str:
    return (PAGE_FOLDER / name).read_text(encoding="utf-8")


def _collect_data(evaluation: Evaluation, comparison: Comparison | None, max_loss: float | None) -> dict[str, Any]:
    """Return the data for the page's scripts."""
    model, identity = evaluation.model, evaluation.model.bundle.identity
    predictions = model.predictions
    values = as_dict(evaluation, comparison, max_loss)
    floor = min(_LOWEST_THRESHOLD, float(model.thresholds.min(initial=1)), model.threshold)
    areas = [compute_area(predictions, label) for label in range(len(predictions.labels))]
    return {
        "title": identity.name,
        "about": _describe_evaluation(evaluation),
        "made": f"Created by camera-appliance {__version__}. The model’s SHA-256 is {identity.sha256}.",
        "bundle": str(model.bundle.source),
        "dataset": str(evaluation.dataset),
        "options": list(evaluation.options),
        "notes": values["notes"],
        "labels": list(predictions.labels),
        "several": predictions.several is not None,
        "floor": _to_steps(floor if len(predictions.labels) > _MANY_LABELS else 0),
        "inModel": [label not in model.missing_labels for label in predictions.labels],
        "areas": [None if area is None else round(area, 4) for area in areas],
        "area": values["area_under_curve"],
        "accuracy": values["accuracy"],
        "calibration": values["calibration"],
        "intervals": values["intervals"],
        "effectiveShare": share_effective(evaluation.recordings),
        "labelShares": _list_label_shares(evaluation),
        "backgroundShare": share_effective(evaluation.background_recordings),
        "worst": [f"{each.label} ({describe_share(each.recall)})" for each in evaluation.quality.worst_labels],
        "warnings": values["warnings"],
        "threshold": _to_steps(model.threshold),
        "own": [[predictions.labels.index(label), _to_steps(value)] for label, value in model.label_thresholds.items()],
        "pictures": _list_rows(predictions, floor),
        "background": None if model.background is None else {"pictures": _list_rows(model.background, floor)},
        "against": values.get("against"),
        "mistakes": list(_list_mistakes(evaluation)),
    }


def _describe_evaluation(evaluation: Evaluation) -> str:
    version = evaluation.model.bundle.identity.version
    subset = "" if evaluation.subset == "all" else f"{evaluation.subset} "
    about = f"Version {version} on {len(evaluation.pictures)} {subset}pictures of {evaluation.dataset.name}"
    if evaluation.background:
        background = f"{len(evaluation.background_pictures)} of {evaluation.background.name}"
        about += f", and {background}, which show none of its labels"
    return f"{about}."


def _list_label_shares(evaluation: Evaluation) -> list[float]:
    """Return, for each label, how many independent samples each of its pictures is worth."""
    shares = {each.label: each.recall.effective / each.recall.total for each in evaluation.quality.labels}
    return [round(shares.get(label, 1.0), 6) for label in evaluation.model.predictions.labels]


def _to_steps(score: float) -> int:
    return int(np.floor(float(np.float32(score)) * _STEPS + _ROUNDING))


def _list_rows(predictions: Predictions, floor: float) -> list[list[Any]]:
    """Return each picture as a row: its target, or list of targets; then alternating labels and scores.

    Scores below every threshold are left out.
    """
    scores = np.floor(predictions.scores.astype(np.float64) * _STEPS + _ROUNDING).astype(np.int64)
    kept = predictions.scores >= (0 if len(predictions.labels) <= _MANY_LABELS else floor)
    rows = []
    targets: list[Any] = predictions.targets.tolist()
    if predictions.several is not None:
        targets = [np.flatnonzero(own).tolist() for own in predictions.several]
    for target, steps, is_kept in zip(targets, scores, kept, strict=True):
        labels = np.flatnonzero(is_kept)
        rows.append([target, *np.stack([labels, steps[labels]], axis=1).reshape(-1).tolist()])
    return rows


def _list_mistakes(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Yield the worst cases of each kind with thumbnails; the page decides which are mistakes at its threshold."""
    model = evaluation.model
    wrong = [index for index, _ in find_wrong_labels(model.predictions)]
    false = [index for index, _ in find_wrong_labels(model.background)] if model.background is not None else []
    kinds: list[tuple[str, list[int], Sequence[Example]]] = [
        ("wrong", wrong, evaluation.pictures),
        ("missed", _find_missed(model, set(wrong[:_MISTAKES])), evaluation.pictures),
        ("background", false, evaluation.background_pictures),
    ]
    for kind, indexes, pictures in kinds:
        for index in indexes[:_MISTAKES]:
            example = pictures[index]
            yield {"kind": kind, "index": index, "name": example.name, "image": _encode_thumbnail(example)}


def _find_missed(model: ModelEvaluation, excluded: Set[int]) -> list[int]:
    """Return the pictures with content, except the excluded ones, sorted by the lowest score of their own labels."""
    predictions = model.predictions
    if not len(predictions.targets):
        return []
    own_scores = np.where(predictions.is_own_label, predictions.scores, np.inf).min(axis=1)
    order = [int(index) for index in np.argsort(own_scores, kind="stable")]
    return [index for index in order if np.isfinite(own_scores[index]) and index not in excluded]


def _encode_thumbnail(example: Example) -> str:
    """Return the whole picture as a scaled-down data: URL."""
    try:
        pixels = read_picture(io.BytesIO(example.read_bytes()), example.name, _THUMBNAIL_PX)
    except PictureError:
        return "data:,"  # the file vanished after the evaluation; the report is complete without it
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[:height, :width] = pixels
    thumbnail_px = min(side, _THUMBNAIL_PX)
    shrunk = resize_to_square(square, thumbnail_px)
    shrunk = shrunk[: max(1, height * thumbnail_px // side), : max(1, width * thumbnail_px // side)]
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(shrunk, 80)).decode()
