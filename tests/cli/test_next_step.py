"""What commands suggest next."""

from pathlib import Path

import pytest

from appliance.cli.next_step import (
    name_program,
    suggest_after_check,
    suggest_after_demo,
    suggest_after_packing,
    suggest_after_training,
    suggest_subscription,
)


@pytest.fixture(autouse=True)
def device(monkeypatch, tmp_path):
    monkeypatch.setenv("APPLIANCE_DEVICE__ID", "kitchen")
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path))


def test_subscription_names_this_device_and_its_broker(monkeypatch):
    assert suggest_subscription() == "mosquitto_sub -h localhost -v -t 'appliance/kitchen/#'"
    monkeypatch.setenv("APPLIANCE_MQTT__HOST", "broker.local")
    monkeypatch.setenv("APPLIANCE_MQTT__PORT", "1884")
    monkeypatch.setenv("APPLIANCE_MQTT__BASE_TOPIC", "home cams")
    assert suggest_subscription() == "mosquitto_sub -h broker.local -p 1884 -v -t 'home cams/kitchen/#'"


def test_invalid_settings_omit_the_subscription(monkeypatch):
    monkeypatch.setenv("APPLIANCE_MQTT__PORT", "x")
    assert suggest_subscription() is None
    assert len(suggest_after_demo()) == 1


def test_program_is_named_as_the_shell_finds_it(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("sys.executable", str(Path.cwd() / ".venv/bin/python"))
    assert name_program() == ".venv/bin/appliance"
    monkeypatch.setattr("sys.executable", "/opt/my venv/bin/python")
    assert name_program() == "'/opt/my venv/bin/appliance'"
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/appliance")
    assert name_program() == "appliance"


def test_installed_service_is_watched_and_changed_with_sudo(monkeypatch):
    monkeypatch.setattr("appliance.system.paths.is_service_installed", lambda: True)
    assert str(suggest_after_demo()[0]).endswith("appliance watch")
    lines = [str(line) for line in suggest_after_training(Path("my model"))]
    assert "--model 'my model'" in lines[0]
    assert ": sudo " in lines[1] and lines[1].endswith("model install 'my model'")
    assert "appliance/kitchen/#" in lines[2]


def test_elsewhere_a_model_is_installed_without_sudo():
    assert "sudo" not in str(suggest_after_training(Path("m"))[1])
    assert str(suggest_after_demo()[0]).endswith(" run")


def test_check_and_packing_name_the_command_that_follows(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/appliance")
    line = suggest_after_check(Path("my set/flowers.zip"), ["gs://b=copy"])
    assert line.command == (
        "appliance train 'my set/flowers.zip' --base bundled:general --out flowers-model --gs gs://b=copy"
    )
    assert suggest_after_check(Path("phone")).command.endswith("--out phone-model")
    assert suggest_after_packing(Path("out"), "index.csv").command == "appliance dataset check out/index.csv"
    assert suggest_after_packing(Path("out.zip"), None).command == "appliance dataset check out.zip"
