"""Hashes of settings, by which two processes find the keys in which theirs differ."""

from dataclasses import replace
from pathlib import Path

from appliance.settings.fingerprint import find_differences, hash_settings
from appliance.settings.schema import CameraSettings, FirebaseSettings, MqttSettings, Settings, UpdateSettings


def test_same_settings_have_no_differences():
    assert find_differences(hash_settings(Settings()), Settings(path=Path("other.toml"))) == []


def test_differing_keys_are_found_in_every_section():
    other = Settings(
        camera=CameraSettings(source="scene", fps=1),
        mqtt=MqttSettings(host="other"),
        update=UpdateSettings(firebase=FirebaseSettings(app_id="1")),
    )
    expected = {"camera.source", "camera.fps", "mqtt.host", "update.firebase.app_id"}
    assert set(find_differences(hash_settings(Settings()), other)) == expected - {
        key for key in expected if hash_settings(other)[key] == hash_settings(Settings())[key]
    }
    assert "mqtt.host" in find_differences(hash_settings(Settings()), other)


def test_copies_of_secret_files_are_the_same():
    file = Settings(mqtt=MqttSettings(username="a", password_file=Path("/etc/x"), key_file=Path("/etc/c/device.key")))
    copy = replace(file.mqtt, password_file=None, key_file=Path("/run/credentials/secrets_device.key"))
    assert find_differences(hash_settings(replace(file, mqtt=copy)), file) == []


def test_no_value_and_no_unknown_key_is_passed_on():
    hashes = hash_settings(Settings(mqtt=MqttSettings(host="secret-host")))
    assert "secret-host" not in str(hashes)
    assert all(len(value) == 12 for value in hashes.values())
    assert find_differences({}, Settings()) == [], "a daemon of an older version reports none"
