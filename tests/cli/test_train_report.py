"""What `appliance train` prints of its result."""

import json

import pytest

from support.training import train, write_base, write_pictures


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.tflite")


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", {"red": 40, "green": 40, "blue": 40})


def test_json_has_intervals_the_curve_and_the_worst_mistakes(pictures, base, tmp_path, capsys):
    shown = write_pictures(tmp_path / "shown", {"red": 12, "green": 10, "blue": 10}, 5000)
    for file in sorted((shown / "red").iterdir())[:2]:
        file.rename(shown / "blue" / f"is-red-{file.name}")
    assert train(pictures, "--base", base, "--validation", shown, "--out", tmp_path / "new", "--json") == 0
    value = json.loads(capsys.readouterr().out)
    accuracy = value["intervals"]["accuracy"]
    assert accuracy["low"] < accuracy["value"] == value["accuracy"] <= accuracy["high"]
    assert [each["label"] for each in value["per_label"]] == ["blue", "green", "red"]
    assert all(set(each["intervals"]["recall"]) == {"value", "low", "high"} for each in value["per_label"])
    assert "right (90 % sure)" in value["promise"]
    at = next(each for each in value["threshold_curve"] if each["threshold"] == value["at_threshold"]["threshold"])
    assert at["precision"]["value"] == round(value["at_threshold"]["precision"], 6)
    assert any("is-red" in each["picture"] and each["label"] == "blue" for each in value["mistakes"])
    assert value["calibration"]["expected_error"] >= 0
    assert value["training"]["metrics"]["pictures"] == 32


def test_text_states_the_uncertainty_and_the_promise(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--out", tmp_path / "new") == 0
    out = capsys.readouterr().out
    assert "the best label: 100 % right, between 97 and 100, on 120 cross-validation pictures" in out
    assert "% right, between" in out and "reported labels" in out
    assert "what can be promised: at least" in out and "right (90 % sure)" in out
    assert "the labels that are found least: " in out
