"""Test that frames are collected only if the settings request it, and that labeling continues if this fails."""

import json

from support.broker import wait_until
from support.daemon import Daemon, settings

AUTOML = "models/automl_mlkit_android"
COUNTS = {"kept", "duplicates", "missed", "waiting", "dropped", "pictures", "bytes", "trouble"}
COLLECT = "[collect]\nenabled = true\nmax_per_hour = 3600\n"


def test_collected_frames_form_a_dataset_with_predictions(broker, data, tmp_path):
    text = settings(broker, data / "images", model=data / AUTOML, more=COLLECT)
    with broker.observer() as seen, Daemon(tmp_path / "d", text) as daemon:
        daemon.wait_for_log("collecting frames worth labeling in")
        folder = daemon.state / "collected"
        wait_until(lambda: len(list(folder.glob("*.jpg"))) >= 3, "three frames are kept")
        stats = json.loads(seen.wait_for("appliance/t/stats")[-1].payload)
        assert set(stats["collect"]) == COUNTS
        assert stats["collect"]["trouble"] is None
        assert daemon.stop() == 0
        checked = daemon.run("dataset", "check", str(folder), "--json")
    assert checked.returncode == 1  # readable, but no picture has a label yet
    report = json.loads(checked.stdout)
    assert report["pictures"] == 0 and len(report["unlabeled"]) >= 3
    guessed = {picture["guess"]["label"] for picture in report["unlabeled"]}
    assert guessed <= {"daisy", "dandelion", "roses", "sunflowers", "tulips"}
    assert {finding["kind"] for finding in report["findings"]} == {"unlabeled", "no_label"}


def test_nothing_is_collected_by_default(broker, data, tmp_path):
    with (
        broker.observer() as seen,
        Daemon(tmp_path / "d", settings(broker, data / "images", model=data / AUTOML)) as daemon,
    ):
        seen.wait_for("appliance/t/event")
        assert "collect" not in json.loads(seen.wait_for("appliance/t/stats")[-1].payload)
        assert not (daemon.state / "collected").exists() and not daemon.count_lines("collecting")


def test_unwritable_folder_does_not_stop_the_labeling(broker, data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    more = f'{COLLECT}dir = "{tmp_path}/file/frames"\n'
    text = settings(broker, data / "images", model=data / AUTOML, more=more)
    with broker.observer() as seen, Daemon(tmp_path / "d", text) as daemon:
        daemon.wait_for_log("labeling continues")
        events = len(seen.payloads("appliance/t/event"))
        seen.wait_for("appliance/t/event", count=events + 2)
        assert daemon.count_lines("frames cannot be collected") == 1
        assert daemon.stop() == 0
