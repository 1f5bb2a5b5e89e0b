"""Test what `appliance check` reports about the update source."""

import re

from appliance.diagnostics.update_check import check_update_source
from appliance.settings.schema import Settings, UpdateSettings
from support.model_server import ModelServer
from support.rig import publish_second


def check(tmp_path, monkeypatch, **update):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    with ModelServer() as server:
        publish_second(server, tmp_path)
        settings = UpdateSettings(source="url", url=server.url("/manifest.json"), **update)
        return check_update_source(Settings(update=settings), daemon_runs=False)


def test_offer_and_next_window_are_named(tmp_path, monkeypatch):
    message = check(tmp_path, monkeypatch, window="00:00-00:01")
    assert "offers 2.0" in message
    assert re.search(r"opens on \d{4}-\d\d-\d\d at 00:00|00:00-00:01\) is open|clock is not set", message)
    assert "window" not in check(tmp_path / "other", monkeypatch)


def test_no_source_needs_no_request():
    assert "appliance model install" in check_update_source(Settings(), daemon_runs=False)
