"""`appliance evaluate --scores`: the scores of every picture as CSV."""

import csv

import pytest

from appliance.cli import main
from support.evaluations import make_bundle, make_shades, write_pictures


@pytest.fixture
def inputs(tmp_path):
    shown = {label: make_shades(label, 3, 0.4) for label in ("red", "green", "blue")}
    model = make_bundle(tmp_path / "model", name="paint", version="1.0", confidenceThreshold=0.45)
    return model, write_pictures(tmp_path / "colors", shown), write_pictures(tmp_path / "=others", {"x": [(0.2,) * 3]})


def test_every_picture_has_a_row_with_all_scores(inputs, tmp_path):
    model, pictures, background = inputs
    words = ["evaluate", model, pictures, "--background", background, "--scores", tmp_path / "sub" / "scores.csv"]
    assert main(list(map(str, words))) == 0
    with (tmp_path / "sub" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert set(rows[0]) == {"picture", "label", "best_label", "best_score", "red", "green", "blue"}
    for row in rows[:9]:
        assert row["label"] == row["best_label"] == row["picture"].split("/")[0]
        assert row["best_score"] == max(row["red"], row["green"], row["blue"])
    assert rows[9]["label"] == ""


def test_file_that_cannot_be_written_is_a_sentence(inputs, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["evaluate", str(inputs[0]), str(inputs[1]), "--scores", str(tmp_path / "file" / "s.csv")]) == 1
    assert "the scores cannot be written to" in capsys.readouterr().err


def test_other_file_is_not_overwritten(inputs, tmp_path, capsys):
    dataset = tmp_path / "index.csv"
    dataset.write_text("1.jpg,red\n")
    assert main(["evaluate", str(inputs[0]), str(inputs[1]), "--scores", str(dataset)]) == 1
    assert "contains something other than scores" in capsys.readouterr().err
    assert dataset.read_text() == "1.jpg,red\n"
    for _ in range(2):  # earlier scores are replaced
        assert main(["evaluate", str(inputs[0]), str(inputs[1]), "--scores", str(tmp_path / "s.csv")]) == 0
