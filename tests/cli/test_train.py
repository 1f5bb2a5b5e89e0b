"""Test `appliance train`: its options, its outputs, and its progress."""

import json
import os
import sys
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from support.paths import CHILD_ENVIRONMENT
from support.terminal import run_on_terminal
from support.training import read_until, start_on_terminal, train, write_base, write_pictures


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def base(tmp_path):
    return write_base(tmp_path / "base.tflite")


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures", {"red": 40, "green": 40, "blue": 40})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--seed", "-1"], "--seed must be 0 or more"),
        (["--model-version", "one"], "not a version by PEP 440"),
        (["--model-version", "1.0 "], "'1.0 ' is not a version by PEP 440"),
        (["--model-version", "1.0\n"], "is not a version by PEP 440"),
        (["--name", " "], "--name must not be empty"),
    ],
)
def test_wrong_options_are_usage_errors(pictures, base, tmp_path, capsys, options, reason):
    assert train(pictures, "--base", base, "--out", tmp_path / "new", *options) == 2
    assert reason in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal(pictures, base, tmp_path):
    process, terminal = start_on_terminal(pictures, "--base", base, "--out", tmp_path / "new")
    seen = read_until(terminal, b"no end of it")
    os.close(terminal)
    assert process.wait(30) == 0
    assert b"extracting features with base.tflite: 120 of 120" in seen


def test_progress_and_table_fit_a_narrow_terminal(pictures, base, tmp_path):
    """A line that wraps cannot be replaced, so each step of the progress would stay on the screen."""
    long = tmp_path / ("a_base_with_a_name_that_is_longer_than_the_terminal" * 3 + ".tflite")
    long.write_bytes(Path(base).read_bytes())
    words = ["train", str(pictures), "--base", str(long), "--base", str(base), "--out", str(tmp_path / "new")]
    ran = run_on_terminal([sys.executable, "-m", "appliance", *words], 60, CHILD_ENVIRONMENT)
    assert ran.status == 0
    assert "extracting features" in ran.raw
    assert [row for row in ran.rows if "extracting" in row or "fitting" in row] == []
    (table,) = [row for row in ran.rows if row.endswith("(used)")]
    assert len(table) <= 60


def test_json_keys_stay(pictures, base, tmp_path, capsys):
    words = ["--name", "paint", "--model-version", "1.2.0", "--json"]
    assert train(pictures, "--base", base, "--out", tmp_path / "new", *words) == 0
    value = json.loads(capsys.readouterr().out)
    assert set(value) >= {
        "out", "model", "labels", "background_label", "base", "accuracy", "at_threshold", "bases", "pictures",
        "warnings", "seconds",
    }  # fmt: skip
    assert value["out"] == str(tmp_path / "new")
    assert (value["model"]["name"], value["model"]["version"]) == ("paint", "1.2.0")
    assert value["labels"] == ["blue", "green", "red"]
    assert set(value["at_threshold"]) == {"threshold", "precision", "recall"}
    assert all(set(tried) >= {"base", "accuracy", "inference_ms", "strength"} for tried in value["bases"])
    assert value["pictures"]["train"] + value["pictures"]["validation"] <= 120


def test_model_remembers_where_it_is_from(pictures, base, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    words = ["--name", "paint", "--model-version", "1", "--seed", "3", "--license", "CC0\x1b[2J"]
    assert train(pictures, "--base", base, "--out", first, *words) == 0
    assert (
        train(pictures, "--base", first, "--parent", first, "--model-version", "2", "--out", second, "--seed", "3") == 0
    )
    record = read_bundle(second).provenance
    assert record.base == read_bundle(first).identity and record.parents == (record.base,)
    assert (dict(record.pictures), record.test) == ({"red": 40, "green": 40, "blue": 40}, 0)
    assert (record.metrics.pictures, record.metrics.method) == (120, "cross-validation")
    assert record.metrics.figures["accuracy"].low > 0.5
    one = read_bundle(first).provenance
    assert (one.seed, one.license) == (3, "pictures: CC0")
    assert record.license == "base: pictures: CC0"
    assert one.dataset_sha256 == record.dataset_sha256 and len(one.dataset_sha256) == 64


def test_missing_parent_is_reported_before_the_work(pictures, base, tmp_path, capsys):
    assert train(pictures, "--base", base, "--parent", tmp_path / "none", "--out", tmp_path / "new") == 1
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_bases_are_compared_in_a_table(pictures, base, tmp_path, capsys):
    other = write_base(tmp_path / "other.tflite", "float32")
    assert train(pictures, "--base", base, "--base", other, "--out", tmp_path / "new", "--budget", "5 m") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines[1:3] if str(tmp_path) in line]
    assert len(rows) == 2
    assert sum("(used)" in row for row in rows) == 1
    assert str(tmp_path / "new") in lines[-3] and "model install" in lines[-2]


@pytest.mark.parametrize("time", ["0", "-5s", "5 days", "soon", "", "nan", "inf"])
def test_wrong_budget_is_wrong_usage(time, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "set", "--base", "b.tflite", "--out", "new", f"--budget={time}"])
    assert ended.value.code == 2
    assert "--budget" in capsys.readouterr().err.splitlines()[-1]


def test_output_is_required(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "set"])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_general_labeler_is_the_base_unless_one_is_given(tmp_path, capsys):
    pictures = write_pictures(tmp_path / "pictures", {"red": 10, "green": 10})
    assert train(pictures, "--out", tmp_path / "new", "--json") == 0
    assert json.loads(capsys.readouterr().out)["base"] == "bundled:general"
