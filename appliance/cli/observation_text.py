"""Format an observation of the device, as `appliance watch` shows it: a few lines of text, or one line.

An observation is the daemon's answer to `observe` (daemon/latest_result.py and daemon/status.py). A daemon of another
version may leave out anything.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

from appliance.system.foreign_text import clean_text
from appliance.system.text_width import cut_to_width, measure_width, pad_to_width

_FULL, _EMPTY, _THRESHOLD = "█", "░", "│"
_MIN_LABEL_COLUMNS, _MAX_LABEL_COLUMNS = 8, 32
_MIN_SHOWN_SCORE = 0.005
_MAX_TEXT = 300
_LINE_LABELS = 5


def format_screen(observation: Mapping[str, Any], columns: int, rows: int) -> list[str]:
    """Return the lines to show on a terminal.

    Args:
        observation: The observation.
        columns: The width that no line exceeds.
        rows: The greatest number of lines.
    """
    lines = [cut_to_width(line, columns) for line in _describe(observation)]
    for trouble in _list_troubles(observation):
        lines += textwrap.wrap(trouble, columns)
    scores = _read_scores(observation)
    bars = _format_bars(scores[: max(0, rows - len(lines) - 1)], columns)
    return [*lines, "", *bars][:rows]


def format_line(observation: Mapping[str, Any]) -> str:
    """Return the observation on one line, for a file or a pipe."""
    frame = _as_mapping(observation.get("frame"))
    if troubles := _list_troubles(observation):
        return "; ".join(troubles)
    if not frame:
        return "no frame yet"
    scores = [f"{label} {score:.2f}" for label, score, _, _ in _read_scores(observation)[:_LINE_LABELS]]
    return f"{_clean(frame.get('time'))}  {', '.join(scores) or 'no label'}"


def _describe(observation: Mapping[str, Any]) -> list[str]:
    if "camera" not in observation:
        return []
    camera, model = _as_mapping(observation["camera"]), _as_mapping(observation.get("model"))
    frame = _as_mapping(observation.get("frame"))
    device = _clean(observation.get("device"))
    name = " ".join(_clean(model.get(key)) for key in ("name", "version"))
    lines = [
        f"{f'{device}  ' if device else ''}{_clean(camera.get('description'))} ({_clean(camera.get('state'))})",
        f"{name} on {_clean(observation.get('runtime'))}",
    ]
    if frame:
        age_s, took_ms = _as_number(frame.get("age_s")), _as_number(frame.get("inference_ms"))
        lines.append(f"frame {_clean(frame.get('number'))}, {age_s:.1f} s ago; labeled in {took_ms:.1f} ms")
    else:
        lines.append("no frame yet")
    return lines


def _list_troubles(observation: Mapping[str, Any]) -> list[str]:
    troubles = (
        observation.get("trouble"),
        _as_mapping(observation.get("camera")).get("reason"),
        observation.get("labeling_trouble"),
    )
    return [_clean(trouble) for trouble in troubles if trouble]


def _read_scores(observation: Mapping[str, Any]) -> list[tuple[str, float, float, bool]]:
    """Return (label, score, threshold, whether an event is open), the best first; scores near 0 are left out."""
    entries = observation.get("scores")
    rows = [
        (
            _clean(entry.get("label")),
            min(1.0, max(0.0, _as_number(entry.get("score")))),
            min(1.0, max(0.0, _as_number(entry.get("threshold")))),
            bool(entry.get("open")),
        )
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    ]
    return [row for row in rows if row[1] >= _MIN_SHOWN_SCORE or row[3]] or rows[:1]


def _format_bars(scores: list[tuple[str, float, float, bool]], columns: int) -> list[str]:
    """Return a bar for each label, with a mark at its threshold; the labels of open events have an asterisk."""
    widest = max((measure_width(label) for label, *_ in scores), default=0)
    label_columns = min(max(widest, _MIN_LABEL_COLUMNS), _MAX_LABEL_COLUMNS, max(columns // 2, 1))
    bar_columns = columns - label_columns - len("* " + "  " + " 0.00")
    lines = []
    for label, score, threshold, is_open in scores:
        bar = ""
        if bar_columns > 0:
            filled = round(score * bar_columns)
            bar = _FULL * filled + _EMPTY * (bar_columns - filled)
            mark = min(bar_columns - 1, round(threshold * bar_columns))
            bar = bar[:mark] + _THRESHOLD + bar[mark + 1 :]
        lines.append(
            cut_to_width(f"{'*' if is_open else ' '} {pad_to_width(label, label_columns)}  {bar} {score:.2f}", columns)
        )
    return lines


def _clean(value: Any) -> str:
    return "" if value is None else clean_text(str(value), _MAX_TEXT)


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
