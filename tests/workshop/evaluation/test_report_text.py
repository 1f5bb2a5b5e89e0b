"""An evaluation as text and as JSON."""

import re

import pytest

from appliance.cli import main
from appliance.system.text_width import measure_width
from appliance.workshop.evaluation.compare import compare_models
from appliance.workshop.evaluation.evaluate import EvaluationRequest, evaluate_models
from appliance.workshop.evaluation.json_report import as_dict
from appliance.workshop.evaluation.report_text import format_evaluation
from support.evaluations import make_bundle, make_shades, write_pictures


@pytest.fixture
def colors(tmp_path):
    """Ten pictures per label, all right at 0.5, except one red that is taken for green and one that is too pale."""
    wrong = [(0.05, 0.9, 0.05), (0.3, 0.05, 0.05)]
    shown = {label: make_shades(label, 10) for label in ("green", "blue")} | {"red": make_shades("red", 8) + wrong}
    return write_pictures(tmp_path / "colors", shown)


def test_text_has_the_main_figures(tmp_path, colors, capsys):
    assert main(["evaluate", str(make_bundle(tmp_path / "model", name="paint", version="1.0")), str(colors)]) == 0
    out = capsys.readouterr().out
    assert "paint 1.0 on 30 pictures" in out
    assert "accuracy      97 % right, between 83 and 99, on 30 pictures" in out
    assert "precision   97 % right, between 83 and 99, on 29 reported labels" in out
    assert "recall      93 % found, between 79 and 98, on 30 pictures" in out
    assert "worst labels  red 80.0 %, green 100.0 %, blue 100.0 %" in out
    assert re.search(r"area +0\.\d+, between 0\.\d+ and ", out)
    assert re.search(r"calibration +0\.\d+  \(expected error of a score; up to 0\.\d+ may be chance\)", out)
    assert re.search(r"red +10 +0\.5 +100\.0 % +68–100 +80\.0 % +49–94", out)
    assert "red/008.png" in out


def test_comparison_is_a_table_and_a_sentence(tmp_path):
    good, bad = (
        make_bundle(tmp_path / "good"),
        make_bundle(tmp_path / "bad", labels="red blue green", name="bad", version="1"),
    )
    some = write_pictures(tmp_path / "some", {label: make_shades(label, 20) for label in ("red", "green", "blue")})
    evaluation = evaluate_models(EvaluationRequest(good, some, baseline=bad))
    lines = format_evaluation(evaluation, compare_models(evaluation))
    assert any("against bad 1" in line for line in lines)
    assert any(re.search(r"^  accuracy +33\.3 % → +100\.0 %  \+66\.7 \[.*\]  better$", line) for line in lines)
    assert "better in accuracy and F1" in lines[-1]
    assert as_dict(evaluation, compare_models(evaluation))["against"]["says"] == lines[-1]
    assert "against" not in as_dict(evaluation)


@pytest.mark.parametrize("columns", [80, 100])
def test_tables_fit_the_terminal_with_long_and_wide_labels(tmp_path, columns):
    names = ["a label that is much longer than any column has room for", "雛菊" * 20, "blue"]
    (tmp_path / "dict.txt").write_text("\n".join(names))
    bundles = []
    for name in ("new", "old"):
        bundles.append(make_bundle(tmp_path / name, name=name, version="1"))
        (bundles[-1] / "dict.txt").write_text("\n".join(names))
    colors = dict(zip(names, ("red", "green", "blue"), strict=True))
    shown = write_pictures(tmp_path / "some", {label: make_shades(color, 20) for label, color in colors.items()})
    evaluation = evaluate_models(EvaluationRequest(bundles[0], shown, baseline=bundles[1]))
    lines = format_evaluation(evaluation, compare_models(evaluation), columns)
    tables = [line for line in lines if re.search(r"( %.*){2}$|→", line) and not line.startswith("  at ")]
    assert len(tables) >= 6
    assert [line for line in tables if measure_width(line) > columns] == []
    assert any("雛菊" in line and "…" in line for line in tables)


def test_pictures_of_one_recording_widen_the_interval(tmp_path, capsys):
    some = write_pictures(tmp_path / "some", {label: make_shades(label, 20) for label in ("red", "green")})
    for label in ("red", "green"):
        for index, file in enumerate(sorted((some / label).iterdir())):
            file.rename(file.with_name(f"rec-{label}{index // 10}-{index:04d}.png"))
    assert main(["evaluate", str(make_bundle(tmp_path / "model")), str(some)]) == 0
    assert "100 % right, between 51 and 100, on 40 pictures of about 4 recordings" in capsys.readouterr().out


def test_comparison_without_an_interval_prints_a_dash(tmp_path, capsys):
    good, bad = make_bundle(tmp_path / "good"), make_bundle(tmp_path / "bad", labels="red blue green", name="bad")
    some = write_pictures(tmp_path / "some", {label: make_shades(label, 2) for label in ("green", "blue")})
    assert main(["evaluate", str(bad), str(some), "--against", str(good)]) == 3
    out = capsys.readouterr().out
    assert re.search(r"accuracy +100\.0 % → +0\.0 %  -100\.0 \[–\]  too few", out)
    assert "Too few to tell: 4 pictures cannot show a difference in accuracy" in out
