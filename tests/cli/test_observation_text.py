"""The text of an observation fits its terminal, whatever the daemon reports."""

import pytest

from appliance.cli.observation_text import format_line, format_screen
from appliance.system.text_width import measure_width
from support.control import OBSERVATION


def test_labels_have_bars_scores_and_a_mark_at_the_threshold():
    lines = format_screen(OBSERVATION, 79, 24)
    text = "\n".join(lines)
    for part in ("pi-1234abcd", "imx708", "streaming", "flowers 1.0.0", "LiteRT", "frame 12", "11.5 ms"):
        assert part in text
    roses, daisy = lines[-2:]
    assert roses.startswith("* roses") and roses.endswith(" 0.93")
    assert daisy.startswith("  daisy") and daisy.endswith(" 0.25")
    assert roses.count("█") > 3 * daisy.count("█") > 0
    assert daisy.index("│") > roses.index("│")
    assert "tulips" not in text, "scores near 0 are left out"


@pytest.mark.parametrize("columns", [19, 40, 79, 200])
@pytest.mark.parametrize("rows", [4, 10, 39])
def test_every_line_fits_the_terminal(columns, rows):
    long = "雛菊 flower with a very long name " * 20
    scores = [{"label": f"{long}{n}", "score": n / 50, "threshold": 0.5, "open": True} for n in range(50)]
    camera = {"state": "busy", "reason": long, "description": long}
    lines = format_screen(OBSERVATION | {"scores": scores, "camera": camera}, columns, rows)
    assert len(lines) <= rows
    assert [line for line in lines if len(line) > columns or ("雛" not in line and measure_width(line) > columns)] == []


def test_foreign_text_is_cleaned():
    hostile = "a\n\x1b[2Jb\x9b31m\ud800"
    value = {"camera": {"state": hostile, "reason": hostile, "description": hostile}, "device": hostile}
    scores = [{"label": hostile, "score": 1, "threshold": 0.5}]
    lines = format_screen(OBSERVATION | value | {"scores": scores, "labeling_trouble": hostile}, 79, 24)
    for line in [*lines, format_line(OBSERVATION | {"scores": scores})]:
        assert line.isprintable()
        line.encode()


@pytest.mark.parametrize(
    "observation",
    [
        {},
        {"trouble": "x"},
        {"camera": None},
        {"camera": 3, "model": [], "frame": "x", "scores": 7},
        {"scores": [1, {}]},
    ],
    ids=str,
)
def test_answer_of_another_version_is_shown_as_far_as_it_goes(observation):
    assert format_screen(observation, 79, 24)
    assert format_line(observation)


def test_line_has_the_time_and_the_best_labels_or_the_reason():
    assert format_line(OBSERVATION) == "2026-05-04T10:20:30.123Z  roses 0.93, daisy 0.25"
    assert format_line({"trouble": "the daemon is restarting"}) == "the daemon is restarting"
    assert format_line(OBSERVATION | {"frame": None}) == "no frame yet"
