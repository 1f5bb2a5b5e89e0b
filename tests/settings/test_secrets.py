"""Secrets in files."""

import os

import pytest

from appliance.errors import SettingsError
from appliance.settings.secrets import read_secret


def test_secret_that_others_can_read_comes_with_a_warning(tmp_path):
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o644)
    secret, warning = read_secret(path, "mqtt.password_file")
    assert secret == "hunter2"
    assert "chmod 600" in warning and "hunter2" not in warning
    path.chmod(0o600)
    assert read_secret(path, "mqtt.password_file") == ("hunter2", None)


def test_systemd_credential_needs_no_warning(tmp_path, monkeypatch):
    path = tmp_path / "secrets_mqtt_password"
    path.write_text("hunter2")
    path.chmod(0o440)
    monkeypatch.setitem(os.environ, "CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path, "mqtt.password_file") == ("hunter2", None)


@pytest.mark.parametrize("content", ["", "\n"])
def test_empty_secret_is_allowed_where_it_is_a_password(tmp_path, content):
    path = tmp_path / "password"
    path.write_text(content)
    assert read_secret(path, "camera.password_file", may_be_empty=True).text == ""


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_missing_or_empty_secret_is_an_error(tmp_path, content):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"mqtt\.password_file.*password"):
        read_secret(path, "mqtt.password_file")


def test_secret_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "password"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"not text"):
        read_secret(path, "mqtt.password_file")
