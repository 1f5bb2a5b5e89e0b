"""Test that the current code starts with the state and settings of release 0.1.0, and delivers its events."""

import json
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.daemon.active_model import ActiveModel, open_store
from appliance.imaging.view import View
from appliance.settings.load import load_settings
from appliance.settings.schema import LabelerSettings
from appliance.workshop.datasets.open import open_dataset
from support.broker import wait_until
from support.daemon import Daemon, payloads, settings
from support.firebase_server import APP, KEY, PROJECT
from support.paths import ROOT

FIXTURES = ROOT / "tests/fixtures"
# The events in the fixtures are as old as the fixtures.
KEEP = "outbox_max_age_s = 3000000000\n"


@pytest.fixture
def unpack(tmp_path):
    def unpack(name: str) -> Path:
        with tarfile.open(FIXTURES / name) as archive:
            # Bookworm's Python 3.11.2 has no filters; later versions warn if none is set.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            archive.extractall(tmp_path / "device")
        return tmp_path / "device"

    return unpack


def end_by_power_cut(folder: Path) -> None:
    """Change the boot of the fixture's last start, so that its end counts as a power cut, not as a failed start."""
    file = folder / "state/models/state.json"
    state = json.loads(file.read_text())
    state["start"]["boot"] = "00000000-0000-0000-0000-000000000000"
    file.write_text(json.dumps(state))


def rows(folder: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / "state/outbox.sqlite3")) as connection:
        return connection.execute(query).fetchall()


def toml(section: str, values: dict) -> str:
    return f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def test_probation_threshold_and_outbox_survive_the_upgrade(unpack, broker):
    folder = unpack("state-0.1.0-probation.tar.xz")
    end_by_power_cut(folder)
    waiting = [json.loads(payload) for (payload,) in rows(folder, "SELECT payload FROM events ORDER BY id")]
    still_open = {event_id for (event_id,) in rows(folder, "SELECT id FROM open_events")}
    assert len(waiting) == 7 and len(still_open) == 3
    update = toml("update", {"source": "url", "url": "http://127.0.0.1:9/manifest.json", "probation_s": 1})
    with broker.observer("#") as seen, Daemon(folder, settings(broker, "scene", fps=20, more=KEEP + update)):

        def delivered(topic: str) -> list[dict]:
            return payloads(seen.payloads(f"appliance/t/{topic}"))

        wait_until(lambda: "committed" in [step["state"] for step in delivered("update")], "the probation ends", 60)
        events = [event for event in waiting if "type" in event]
        arrived = [{key: value for key, value in event.items() if key != "late"} for event in delivered("event")]
        assert [event for event in arrived if event in events] == events
        ended = {event["id"]: event for event in arrived if event["type"] == "ended" and event["id"] in still_open}
        assert set(ended) == still_open
        assert {event["reason"] for event in ended.values()} == {"restart"}
        committed = next(step for step in delivered("update") if step["state"] == "committed")
        assert committed["version"] == "2.0"
        assert seen.last("appliance/t/threshold") == b"0.01"
        assert json.loads(seen.last("appliance/t/model"))["installed_version"] == "2.0"


def test_bundled_model_of_the_old_release_stays(unpack):
    state = unpack("state-0.1.0-probation.tar.xz") / "state"
    store = open_store(state)
    while store.read_state().current is not None:
        store.rollback("the owner went back", refuse=False)
    for _ in range(2):
        active = ActiveModel(state, LabelerSettings(), View(), "auto")
        active.mark_stopped()
        assert active.current.identity.name == "flowers"
    assert [listed.name for listed in store.list()] == ["flowers", "general"]


def test_firebase_identity_threshold_and_rejection_survive(unpack, broker):
    folder = unpack("state-0.1.0-firebase.tar.xz")
    end_by_power_cut(folder)
    installation = json.loads((folder / "state/firebase/installation.json").read_text())
    rejected = json.loads((folder / "state/models/state.json").read_text())["refused"]
    more = KEEP + toml("update", {"source": "firebase-ml", "interval_s": 0, "group": "canary"})
    firebase = {"project_id": PROJECT, "api_key": KEY, "app_id": APP, "model_name": "kitchen", "remote_config": True}
    more += toml("update.firebase", firebase)
    environ = {"APPLIANCE_FIREBASE_URL": "http://127.0.0.1:9"}
    with broker.observer("#") as seen, Daemon(folder, settings(broker, "scene", fps=20, more=more), environ) as daemon:
        wait_until(lambda: seen.last("appliance/t/threshold") == b"0.21", "Remote Config's threshold", 60)
        wait_until(lambda: seen.last("appliance/t/labels"), "labels", 60)
        model = json.loads(seen.last("appliance/t/labels"))["model"]
        assert model["name"] == "kitchen" and model["version"].startswith("sha256:")
        daemon.stop()
    assert json.loads((folder / "state/firebase/installation.json").read_text())["fid"] == installation["fid"]
    assert json.loads((folder / "state/models/state.json").read_text())["refused"] == rejected


def test_collected_frames_of_the_old_release_are_a_dataset(unpack):
    dataset = open_dataset(unpack("state-0.1.0-firebase.tar.xz") / "state/collected")
    assert len(dataset.unlabeled) == 1


def test_installed_settings_file_still_loads():
    old = load_settings(FIXTURES / "appliance-0.1.0.toml", environ={})
    new = load_settings(ROOT / "config/appliance.toml", environ={})
    assert replace(old.camera, source="auto") == new.camera and old.camera.source == "pi"
    assert old.labeler == new.labeler and old.mqtt == new.mqtt
