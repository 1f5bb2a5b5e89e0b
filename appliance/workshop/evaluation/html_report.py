"""The report of an evaluation: one HTML file that opens anywhere, offline, and moves with a threshold.

The page (report_page/) counts everything itself from the scores, so that one slider moves every figure at once. The
scores, the areas and the thumbnails of the worst mistakes are put into it; nothing is fetched, and the page's own
policy forbids it. What comes from outside (labels, file names) goes in as JSON and out as text, never as markup.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from appliance import __version__
from appliance.errors import PictureError, WorkshopError
from appliance.imaging.files import jpeg, read_picture, small
from appliance.system.atomic_files import write_durably
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.compare import Comparison
from appliance.workshop.evaluation.evaluate import Evaluation, ModelEvaluation
from appliance.workshop.evaluation.metrics import Predictions, area
from appliance.workshop.evaluation.report_text import as_json, wrong_labels

PAGE = Path(__file__).parent / "report_page"
FILE = "index.html"

# Scores are whole numbers of this step; see page.js.
_STEPS = 10_000
# float32 lies up to 6e-8 beside a threshold that it is meant to equal.
_ROUNDING = 1e-3
# With more labels than these, scores that no threshold of the slider lets through are left out.
_MANY_LABELS = 40
_LOWEST = 0.01
_MISTAKES = 18
_THUMBNAIL_PX = 200


def write_report(evaluation: Evaluation, comparison: Comparison | None, folder: Path) -> Path:
    """Writes the report.

    Args:
        evaluation: What came of it.
        comparison: With another model, where there was one.
        folder: Made where it is missing; its index.html is replaced.

    Returns:
        The file.

    Raises:
        WorkshopError: It cannot be written.
    """
    page = render(evaluation, comparison)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / FILE, page.encode(), 0o644)
    except OSError as error:
        raise WorkshopError(f"the report cannot be written to {folder}: {error.strerror or error}.") from error
    return folder / FILE


def render(evaluation: Evaluation, comparison: Comparison | None = None) -> str:
    """The page as text; the same evaluation gives the same page."""
    # Inside a script element only "<" could end it.
    packed = json.dumps(_data(evaluation, comparison), ensure_ascii=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    page = (PAGE / "page.html").read_text(encoding="utf-8")
    page = page.replace("{{css}}", (PAGE / "page.css").read_text(encoding="utf-8"))
    before, after = page.split("{{data}}")
    for script in ("count", "page"):
        after = after.replace(f"{{{{{script}}}}}", (PAGE / f"{script}.js").read_text(encoding="utf-8"))
    return before + packed + after


def _data(evaluation: Evaluation, comparison: Comparison | None) -> dict[str, Any]:
    subject = evaluation.subject
    said = as_json(evaluation, comparison)
    floor = min(_LOWEST, float(subject.thresholds.min(initial=1)), subject.threshold)
    part = "" if evaluation.part == "all" else f"{evaluation.part} "
    about = (
        f"{subject.bundle.identity.version} on {len(evaluation.pictures)} {part}pictures of {evaluation.dataset.name}"
    )
    if evaluation.background:
        about += f", and {len(evaluation.background_pictures)} of {evaluation.background.name}, which show none of its labels"
    own = [[subject.judged.labels.index(label), _units(value)] for label, value in subject.label_thresholds.items()]
    number = len(subject.judged.labels)
    return {
        "title": subject.bundle.identity.name,
        "about": f"Version {about}.",
        "made": f"Made by camera-appliance {__version__}. The model’s sha256 is {subject.bundle.identity.sha256}.",
        "bundle": str(subject.bundle.source),
        "dataset": str(evaluation.dataset),
        "options": list(evaluation.options),
        "notes": said["notes"],
        "labels": list(subject.judged.labels),
        "inModel": [label not in subject.lacks for label in subject.judged.labels],
        "areas": [
            None if found is None else round(found, 4)
            for found in (area(subject.judged, label) for label in range(number))
        ],
        "area": said["area_under_curve"],
        "accuracy": said["accuracy"],
        "calibration": said["calibration"],
        "threshold": _units(subject.threshold),
        "own": own,
        "pictures": _rows(subject.judged, floor),
        "background": None if subject.background is None else {"pictures": _rows(subject.background, floor)},
        "against": said.get("against"),
        "mistakes": _mistakes(evaluation),
    }


def _units(score: float) -> int:
    return int(np.floor(float(np.float32(score)) * _STEPS + _ROUNDING))


def _rows(judged: Predictions, floor: float) -> list[list[int]]:
    """Each picture as its target, then label and score by turns; a score that is never given is left out."""
    scores = np.floor(judged.scores.astype(np.float64) * _STEPS + _ROUNDING).astype(np.int64)
    kept = judged.scores >= (0 if len(judged.labels) <= _MANY_LABELS else floor)
    rows = []
    for target, units, wanted in zip(judged.targets.tolist(), scores, kept, strict=True):
        labels = np.flatnonzero(wanted)
        rows.append([target, *np.stack([labels, units[labels]], axis=1).reshape(-1).tolist()])
    return rows


def _mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The worst of each kind, with a picture; which of them are mistakes at a threshold the page finds out."""
    subject = evaluation.subject
    wrong = [place for place, _ in wrong_labels(subject.judged)]
    false = [place for place, _ in wrong_labels(subject.background)] if subject.background is not None else []
    kinds = [
        ("wrong", wrong, evaluation.pictures),
        ("missed", _missed(subject, set(wrong[:_MISTAKES])), evaluation.pictures),
        ("background", false, evaluation.background_pictures),
    ]
    found = []
    for kind, places, pictures in kinds:
        for place in places[:_MISTAKES]:
            example = pictures[place]
            found.append({"kind": kind, "place": place, "name": example.name, "image": _thumbnail(example)})
    return found


def _missed(subject: ModelEvaluation, shown: set[int]) -> list[int]:
    """Pictures with content by the score of their own label, lowest first; without those shown as wrong already."""
    judged = subject.judged
    own = np.where(judged.content, judged.scores[np.arange(len(judged.targets)), judged.targets], np.inf)
    return [
        int(place) for place in np.argsort(own, kind="stable") if np.isfinite(own[place]) and int(place) not in shown
    ]


def _thumbnail(example: Example) -> str:
    """A data: URL of the whole picture, made small."""
    try:
        pixels = read_picture(io.BytesIO(example.read_bytes()), example.name, _THUMBNAIL_PX)
    except PictureError:
        return "data:,"  # it was there when it was labeled, and the report can do without
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    square[:height, :width] = pixels
    shown_px = min(side, _THUMBNAIL_PX)
    shrunk = small(square, shown_px)[: max(1, height * shown_px // side), : max(1, width * shown_px // side)]
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(shrunk, 80)).decode()
