"""Paths that the installed service cannot see, with a stand-in for systemctl."""

from dataclasses import replace

import pytest

from appliance.diagnostics import unit
from appliance.settings.schema import LabelerSettings, Settings


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a service with properties, and returns settings with a model in a home folder."""
    monkeypatch.setattr(unit, "SYSTEM_SETTINGS", tmp_path)
    monkeypatch.setattr(unit, "is_service_installed", lambda: True)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def install(properties):
        program = tmp_path / "systemctl"
        program.write_text(
            f'#!/bin/sh\nfor last; do :; done\n[ "$last" = appliance@yard.service ] || exit 1\n{properties}\n'
        )
        program.chmod(0o755)
        return Settings(path=tmp_path / "yard.toml", labeler=LabelerSettings(model="/home/pi/model"))

    return install


def test_hidden_path_is_found_by_the_properties_of_the_unit(installed, tmp_path):
    settings = installed("echo ProtectHome=yes; echo PrivateTmp=yes")
    assert "labeler.model: the service cannot use /home/pi/model (ProtectHome" in unit.find_unseen_path(settings)
    assert unit.find_unseen_path(replace(settings, labeler=LabelerSettings(model="/srv/model"))) is None
    assert unit.find_unseen_path(replace(settings, path=tmp_path / "other" / "my.toml")) is None, "no service's file"
    assert unit.find_unseen_path(installed("echo ProtectHome=no; echo PrivateTmp=no")) is None, "a drop-in allows it"


def test_no_protection_is_assumed_without_an_answer(installed):
    assert unit.find_unseen_path(installed("exit 3")) is None
