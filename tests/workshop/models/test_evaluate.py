"""Every figure of the model card is printed, for the bundled model and for AutoML's export."""

import json
import re

from appliance.workshop.models import evaluate, scene_evaluation
from appliance.workshop.models.evaluate import UnseenRun, print_evaluation
from appliance.workshop.models.paths import BUNDLE, LABELS, OTHER_SETS
from appliance.workshop.models.scores import WITH_FLOWERS

MANIFEST = json.loads((BUNDLE / "manifest.json").read_text())


def find_figures(lines, part):
    """The last two words of the line with a part."""
    (line,) = (line for line in lines if part in line)
    return line.split()[-2:]


def test_both_models_are_compared_on_every_picture(few_photographs, data, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "AUTOML", data / "models" / "automl_mlkit_android")
    for name, value in {"SCENES_PER_LABEL": 1, "EMPTY_SCENES": 1, "CAMERA_SEEDS": (101,), "DURATION_S": 12}.items():
        monkeypatch.setattr(scene_evaluation, name, value)
    print_evaluation(BUNDLE, [], [])
    lines = capsys.readouterr().out.splitlines()
    assert f"{MANIFEST['name']} {MANIFEST['version']}" in lines[0]
    for part in ("top-1", "precision (", "recall"):
        assert find_figures(lines, part) == ["1.000", "1.000"]
    assert find_figures(lines, "images/: labeled of")[0] == "0"
    for name in OTHER_SETS:
        assert find_figures(lines, f"{name} val")[0] == "0.0%"
    assert find_figures(lines, "size, bytes")[0] == f"{(BUNDLE / 'model.tflite').stat().st_size:,}"
    assert all(float(value) > 0 for part in ("invoke, ms", "MB") for value in find_figures(lines, part))
    for name in WITH_FLOWERS:
        assert any(line.strip().startswith(f"{name}:") for line in lines)
    for label in LABELS:
        assert any(re.match(rf" *{label} val: 1 of 1", line) for line in lines)
    assert any("scene" in line for line in lines)
    assert not any("spread" in line for line in lines)


def test_seeds_have_rows_with_mean_and_spread(few_photographs, capsys):
    evaluate._print_seeds([BUNDLE, BUNDLE])
    heads, *rows = (line.split() for line in capsys.readouterr().out.splitlines() if line)
    assert heads == ["seeds", "threshold", "top-1", "precision", "recall", "images", *OTHER_SETS]
    values = [f"{MANIFEST['confidenceThreshold']:.3f}", "1.000", "1.000", "1.000", "0.000", "0.000", "0.000"]
    assert rows[:2] == [["flowers", *values]] * 2
    assert rows[2:] == [["mean", *values], ["spread", *["0.000"] * 7]]


def test_unseen_run_is_measured_on_the_other_set(few_photographs, capsys):
    evaluate._print_unseen(UnseenRun("clothing", "sign_digits", BUNDLE))
    text = capsys.readouterr().out
    assert re.search(r"only clothing.*sign_digits val 0\.0%.*0 of 18.*1\.000", text, re.DOTALL)
