"""Test one check by a command: it returns the offer and leaves the state folder unchanged."""

import pytest

from appliance.errors import SourceError, SourceSettingsError
from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.peek import peek
from support.rig import publish_second


def test_offer_is_shown_and_nothing_is_written(server, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    publish_second(server, tmp_path)
    url = server.url("/manifest.json")
    origin, offer = peek(UpdateSettings(source="url", url=url), "device", state)
    assert (origin, offer.version, list(state.iterdir())) == (url, "2.0", [])


def test_failing_source_raises(server, tmp_path):
    with pytest.raises(SourceError, match="404"):
        peek(UpdateSettings(source="url", url=server.url("/manifest.json")), "device", tmp_path)


def test_missing_source_raises(tmp_path):
    with pytest.raises(SourceSettingsError, match="no update source"):
        peek(UpdateSettings(source="none"), "device", tmp_path)
