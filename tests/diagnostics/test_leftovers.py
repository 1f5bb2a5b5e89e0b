"""What `appliance check` says about former topics, with and without a running daemon."""

from appliance.diagnostics.leftovers import find_leftovers
from appliance.messaging.identity import FormerIdentity, IdentityFile
from appliance.messaging.topics import Topics
from appliance.settings.schema import Settings


def test_running_daemon_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    assert find_leftovers({"former_topics": "a sentence"}, Settings()) == "a sentence"
    assert find_leftovers({}, Settings()) is None


def test_record_is_read_without_a_daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))
    assert find_leftovers(None, Settings()) is None
    file = IdentityFile(tmp_path)
    file.update(Topics("appliance", "new"), [])
    file.record_former((FormerIdentity(Topics("appliance", "old")),))
    assert find_leftovers(None, Settings()) is None  # not tried yet
    file.record_former((FormerIdentity(Topics("appliance", "old"), refused="Not authorized"),))
    assert "appliance/old/#" in find_leftovers(None, Settings())
