"""Secrets in /etc/appliance/credentials: the service gets copies from systemd, and root reads the files themselves."""

from dataclasses import replace
from pathlib import Path

from appliance.settings.credentials import apply_credentials
from appliance.settings.schema import CameraSettings, MqttSettings, Settings


def given(folder: Path, **files: str) -> dict[str, str]:
    """Return what systemd adds to the environment of a service with LoadCredential=secrets:FOLDER."""
    folder.mkdir()
    for name, text in files.items():
        (folder / f"secrets_{name}").write_text(text)
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def test_account_gets_the_password_from_systemd(tmp_path):
    environ = given(tmp_path / "run", mqtt_password="m", camera_password="c")
    settings = Settings(mqtt=MqttSettings(username="pi"), camera=CameraSettings(username="viewer"))
    found = apply_credentials(settings, environ, tmp_path / "etc")
    assert found.mqtt.password_file == tmp_path / "run/secrets_mqtt_password"
    assert found.camera.password_file == tmp_path / "run/secrets_camera_password"
    named = replace(settings, mqtt=replace(settings.mqtt, password_file=Path("/elsewhere")))
    assert apply_credentials(named, environ, tmp_path / "etc").mqtt.password_file == Path("/elsewhere")


def test_files_in_the_folder_are_replaced_by_copies(tmp_path):
    etc = tmp_path / "etc"
    environ = given(tmp_path / "run", **{"device.key": "k", "device.crt": "c"})
    mqtt = MqttSettings(
        key_file=etc / "device.key", cert_file=etc / "device.crt", ca_file=Path("/etc/appliance/ca.crt")
    )
    found = apply_credentials(Settings(mqtt=mqtt), environ, etc).mqtt
    assert (found.key_file, found.cert_file) == (
        tmp_path / "run/secrets_device.key",
        tmp_path / "run/secrets_device.crt",
    )
    assert found.ca_file == Path("/etc/appliance/ca.crt")


def test_without_systemd_the_files_themselves_are_read(tmp_path):
    (tmp_path / "mqtt_password").write_text("m")
    settings = Settings(mqtt=MqttSettings(username="pi"))
    assert apply_credentials(settings, {}, tmp_path).mqtt.password_file == tmp_path / "mqtt_password"
    assert apply_credentials(settings, {}, tmp_path / "none").mqtt.password_file is None
