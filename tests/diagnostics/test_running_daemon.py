"""The running daemon's report, and its differences from a settings file."""

from pathlib import Path

from appliance.diagnostics.running_daemon import RunningDaemon, list_keys
from appliance.settings.fingerprint import hash_settings
from appliance.settings.schema import MqttSettings, Settings


def test_differences_are_found_by_key_and_section():
    report = {"setting_hashes": hash_settings(Settings())}
    assert RunningDaemon(report, Settings()).differences == []
    daemon = RunningDaemon(report, Settings(mqtt=MqttSettings(host="other")))
    assert daemon.differs_in("mqtt.") and daemon.differs_in("camera.", "mqtt.host")
    assert not daemon.differs_in("mqtt.hosts", "mqtt", "camera.")


def test_daemon_of_an_older_version_is_compared_by_its_file():
    report = {"settings": "/etc/a.toml"}
    assert RunningDaemon(report, Settings(path=Path("/etc/a.toml"))).differences == []
    assert RunningDaemon(report, Settings(path=Path("b.toml"))).differs_in("camera.source")


def test_list_of_keys_is_bounded():
    assert list_keys(["a", "b"]) == "a, b"
    assert list_keys(f"k{n}" for n in range(9)) == "k0, k1, k2, k3, k4, k5 and 3 more"
