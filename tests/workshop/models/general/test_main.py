"""The command scripts/make-general without its environment."""

import sys

import pytest

from appliance.workshop.models.general import build
from appliance.workshop.models.general.__main__ import main


def test_unknown_stage_is_wrong_usage(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make-general", "ship"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2


def test_missing_weights_end_with_a_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["make-general", "build"])
    monkeypatch.setattr(build, "WORK", tmp_path)
    assert main() == 1
    assert "scripts/make-general" in capsys.readouterr().err
