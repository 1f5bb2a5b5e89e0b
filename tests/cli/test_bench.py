"""Test `appliance bench`: its figures as JSON and as text."""

import json
import re

import pytest

from appliance.cli import main
from appliance.diagnostics.bench import STAGES
from support.evaluations import make_bundle


@pytest.fixture
def model(tmp_path):
    return str(make_bundle(tmp_path / "model", name="paint", version="1.0"))


def test_json_keys_stay(model, capsys):
    assert main(["bench", "--model", model, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert set(value) == {"ratio", "stages_ms", "frame_ms", "invoke_ms", "runtime", "model", "rss_mb"}
    assert tuple(value["stages_ms"]) == STAGES
    assert value["ratio"] > 1
    assert (value["model"]["name"], value["model"]["version"]) == ("paint", "1.0")


def test_text_has_the_model_each_stage_and_the_ratio(model, capsys):
    assert main(["bench", "--model", model]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "paint 1.0" in lines[0]
    assert [line.split()[0] for line in lines[1 : 1 + len(STAGES)]] == list(STAGES)
    assert re.search(r"\d+\.\d{3}\b.* MB", lines[-1])


def test_missing_model_exits_1(tmp_path, capsys):
    assert main(["bench", "--model", str(tmp_path / "gone.zip")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "gone.zip" in err
