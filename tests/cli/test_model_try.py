"""`appliance model try` prints the answers under each input range side by side."""

import json

import pytest

from appliance.cli import main
from appliance.cli.model_try import TriedPicture, format_table
from support.evaluations import make_png
from support.tiny_bundles import manifest_text
from support.tiny_models import tiny_model, write_tiny


@pytest.fixture
def picture(tmp_path):
    (tmp_path / "red.png").write_bytes(make_png(1.0, 0.5, 0.0))
    return str(tmp_path / "red.png")


def test_every_range_has_its_answers(tmp_path, picture, capsys):
    folder = str(write_tiny(tmp_path / "colors", tiny_model()))
    assert main(["model", "try", picture, "--model", folder, "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    best = {name: answers[0] for name, answers in entry["answers"].items()}
    assert set(best) == {"-1..1", "0..1", "0..255"}
    assert all(answer["label"] == "red" for answer in best.values())
    assert best["0..1"]["score"] < best["-1..1"]["score"] < best["0..255"]["score"] == pytest.approx(1)


def test_stated_input_comes_first(tmp_path, picture, capsys):
    folder = str(write_tiny(tmp_path / "colors", manifest=manifest_text(inputMean=[1, 2, 3], inputStd=[50, 51, 52])))
    assert main(["model", "try", picture, "--model", folder]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["as", "stated", "-1..1", "0..1", "0..255"]
    assert "mean 1/2/3, std 50/51/52 (from the manifest)" in out


def test_table_fits_80_columns(tmp_path, picture, capsys):
    labels = "\n".join(f"a very long name of a label, {color}" * 3 for color in ("red", "green", "blue"))
    folder = str(write_tiny(tmp_path / "colors", tiny_model(), labels))
    assert main(["model", "try", picture, "--model", folder]) == 0
    table = capsys.readouterr().out.splitlines()[:4]
    assert all(len(line) <= 80 for line in table) and table[1].startswith("red.png")


def test_unreadable_picture_is_reported_after_the_others(tmp_path, picture, capsys):
    folder = str(write_tiny(tmp_path / "colors", tiny_model()))
    assert main(["model", "try", str(tmp_path / "none.png"), picture, "--model", folder, "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert "does not exist" in first["error"] and second["answers"]


def test_table_of_failures_only_has_no_header(tmp_path):
    assert format_table([TriedPicture(tmp_path / "a.png", {}, "is broken")])[0].split() == ["a.png", "is", "broken"]
