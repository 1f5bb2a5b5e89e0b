"""Test `appliance model` with and without a daemon."""

import json
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.control.server import ControlServer
from appliance.errors import ModelError
from appliance.settings.fingerprint import hash_settings
from appliance.settings.schema import Settings
from appliance.system.paths import find_control_socket
from support.bundles import bundle_folder


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def bundle(tmp_path):
    return str(bundle_folder(tmp_path / "mine", name="mine", version="1.0"))


def serve(answer):
    """Serve as a daemon that answers every command with the same value."""
    path = find_control_socket()
    path.parent.mkdir(parents=True, exist_ok=True)

    def handle(_):
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ControlServer(path, handle)


@pytest.mark.parametrize(
    ("answer", "texts"),
    [
        ({"offered": "2.0", "taken": True, "current": False, "reason": None}, ["2.0 is newer", "appliance model list"]),
        (
            {"offered": "2.0", "taken": False, "current": False, "reason": None},
            ["2.0 is newer", "update.install is ask", "send latest to the device's topic model/install"],
        ),
        ({"offered": "1.0", "taken": False, "current": True, "reason": None}, ["no newer model: 1.0"]),
        ({"offered": "1.0", "taken": False, "current": False, "reason": "too old"}, ["no newer model: too old"]),
    ],
)
def test_check_explains_the_daemons_answer(answer, texts, capsys):
    with serve(answer):
        assert main(["model", "check"]) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in texts), out


@pytest.mark.parametrize("action", ["check", "rollback", "install"])
def test_answer_of_another_version_is_one_sentence(action, bundle, capsys):
    with serve({"name": "x"}):
        assert main(["model", action, *([bundle] if action == "install" else [])]) == 1
    assert "the same version" in capsys.readouterr().err


def test_check_of_a_file_with_another_source_is_not_answered_by_the_daemon(tmp_path, capsys):
    (tmp_path / "other.toml").write_text('[update]\nsource = "url"\nurl = "http://127.0.0.1:1/manifest.json"\n')
    with serve({"setting_hashes": hash_settings(Settings())}):
        assert main(["model", "check", "--config", str(tmp_path / "other.toml")]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_install_without_a_daemon_takes_effect_at_the_next_start(bundle, capsys):
    assert main(["model", "install", bundle, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["name"], value["version"], value["daemon"]) == ("mine", "1.0", "absent")
    assert main(["model", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "mine"


def test_install_names_the_model_that_overrides_it(bundle, capsys):
    with serve({"name": "other", "version": "3.0", "sha256": "ab"}):
        assert main(["model", "install", bundle]) == 0
    out = capsys.readouterr().out
    assert "other 3.0" in out
    assert "labeler.model" in out


def test_install_is_undone_if_the_daemon_cannot_use_it(bundle, capsys):
    with serve(ModelError("it does not fit the settings")):
        assert main(["model", "install", bundle]) == 1
    assert "it does not fit the settings" in capsys.readouterr().err
    assert main(["model", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bundled"] is True


def test_rollback_without_a_daemon_changes_the_store(bundle, capsys):
    assert main(["model", "install", bundle]) == 0
    assert main(["model", "rollback", "--json"]) == 0
    capsys.readouterr()
    assert main(["model", "list", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert models[0]["roles"][0] == "current"
    assert models[0]["name"] != "mine"


def test_rollback_with_a_daemon_reports_its_model(capsys):
    with serve({"name": "other", "version": "3.0", "sha256": "ab"}):
        assert main(["model", "rollback", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value == {"name": "other", "version": "3.0", "sha256": "ab", "daemon": "follows"}


def test_model_that_ships_is_installed_by_its_name(capsys):
    assert main(["model", "install", "bundled:general"]) == 0
    assert main(["model", "list", "--json"]) == 0
    current = json.loads(capsys.readouterr().out.split("\n", 1)[1])[0]
    assert (current["name"], current["origin"]) == ("general", "bundled:general")
    assert main(["model", "show"]) == 0
    assert "It knows no people" in capsys.readouterr().out


def test_name_that_does_not_ship_is_one_sentence(capsys):
    assert main(["model", "install", "bundled:birds"]) == 1
    assert "bundled:general and bundled:flowers do" in capsys.readouterr().err


def test_show_states_where_the_installed_model_is_from(bundle, capsys):
    manifest = Path(bundle) / "manifest.json"
    record = {
        "base": {"name": "general", "version": "1.0.0", "sha256": "a" * 64},
        "dataset": {"sha256": "b" * 64, "pictures": {"cup": 30, "pen": 28}},
        "metrics": {"pictures": 58, "accuracy": {"value": 0.95, "low": 0.86, "high": 0.98}, "threshold": 0.6},
        "seed": 0,
        "license": "base: Apache-2.0",
        "parents": [{"name": "things", "version": "1", "sha256": "c" * 64}],
    }
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "training": record}))
    assert main(["model", "install", bundle]) == 0
    capsys.readouterr()
    assert main(["model", "show"]) == 0
    out = capsys.readouterr().out
    for part in (
        "base       general 1.0.0", "pictures   58: cup 30, pen 28",
        "accuracy 95 % (between 86 and 98), on 58 pictures", "license    base: Apache-2.0", "replaces   things 1",
    ):  # fmt: skip
        assert part in out
    assert main(["model", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"] == record
