"""The daemon starts, labels and publishes whatever is in the place of its state files, and on a read-only card."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.broker import wait_until
from support.daemon import Daemon, payloads, settings
from support.paths import SHARED

STATE_FILES = (
    "announced.json", "crash.txt", "last-frame", "model-deaths.json", "models/state.json", "outbox.sqlite3",
    "outbox.sqlite3-wal", "outbox.sqlite3.reserve", "remembered.json", "update.json",
)  # fmt: skip
MORE = '[update]\nsource = "url"\nurl = "https://127.0.0.1:1/model.tflite"\n[collect]\nenabled = true\nevery_s = 1\n'
NESTED = b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"
WRONG_TYPES = json.dumps(
    {key: [7] for key in ("topics", "components", "threshold", "running", "format", "entry", "current", "refused")}
).encode()


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


FAULTS: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "fifo": os.mkfifo,
    "nested": write(NESTED),
    "wrong types": write(WRONG_TYPES),
    "surrogates": write(b'{"format": 1, "topics": ["\\ud800"], "entry": {"\\udfff": "\\ud800"}}'),
    "noise": write(b"\xff\x00\xfe" * 500),
}


def daemon_settings(broker, more=MORE):
    return settings(broker, "scene", more=more)


# The faults of the content are alike for the whole program; each file's own tests try them all.
_QUICK = ("folder", "fifo", "wrong types")


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=() if fault in _QUICK else pytest.mark.slow) for fault in FAULTS]
)
def test_anything_in_place_of_the_state_files_stops_no_start(broker, tmp_path, fault):
    state = tmp_path / "d/state"
    (state / "models").mkdir(parents=True)
    for name in STATE_FILES:
        FAULTS[fault](state / name)
    with broker.observer() as seen, Daemon(tmp_path / "d", daemon_settings(broker)) as daemon:
        seen.wait_for("appliance/t/labels", count=3)
        event = payloads([seen.wait_for("appliance/t/event")[0].payload])[0]
        assert event["type"] == "started"
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.log, daemon.log


def test_folders_in_place_of_files_and_files_in_place_of_folders(broker, tmp_path):
    state = tmp_path / "d/state"
    state.mkdir(parents=True)
    for name in ("models", "downloads", "collected", "run", "repository"):
        (state / name).write_bytes(b"")
    with broker.observer() as seen, Daemon(tmp_path / "d", daemon_settings(broker)) as daemon:
        seen.wait_for("appliance/t/labels", count=3)
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.log, daemon.log


@pytest.mark.parametrize("name", ["outbox-badjson", "outbox-openjson"])
def test_known_unreadable_outbox_is_delivered_but_for_its_row(broker, tmp_path, name):
    file = SHARED / f"faults/outbox/{name}.sqlite3"
    if not file.exists():
        pytest.skip(f"{file} does not exist")
    (tmp_path / "d/state").mkdir(parents=True)
    shutil.copy(file, tmp_path / "d/state/outbox.sqlite3")
    with broker.observer() as seen, Daemon(tmp_path / "d", daemon_settings(broker, "")) as daemon:
        wait_until(lambda: len(of_boot(seen, "c6d1e0f7e502")) >= 300, "the old events are delivered")
        seen.wait_for("appliance/t/labels")
        seen.publish("appliance/t/running/set", "OFF")  # a change of the camera publishes the statistics
        wait_until(lambda: read_set_aside(seen) == 1, "the row is counted")
        assert daemon.stop() == 0
    seqs = {event["seq"] for event in of_boot(seen, "c6d1e0f7e502")}
    assert len(seqs) == (300 if name == "outbox-badjson" else 301)
    assert daemon.count_lines("cannot be used") == 1


def read_set_aside(seen):
    stats = seen.payloads("appliance/t/stats")
    return json.loads(stats[-1])["set_aside"] if stats else None


def of_boot(seen, boot):
    return [event for event in payloads(seen.payloads("appliance/t/event")) if event["boot"] == boot]


def test_read_only_card_is_labeled_and_published_from_memory(broker, tmp_path):
    """Start with a state from before, with an event that was never delivered."""
    if os.geteuid() != 0:
        pytest.skip("mounting a folder read-only needs root")
    folder = tmp_path / "d"
    with Daemon(folder, daemon_settings(None)) as daemon:
        daemon.wait_for_log(" started (")
        assert daemon.stop() == 0
    state = folder / "state"
    for options in (["--bind"], ["-o", "remount,ro,bind"]):
        done = subprocess.run(["mount", *options, str(state), str(state)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a folder cannot be mounted read-only here: {done.stderr.strip()}")
    try:
        runtime = tmp_path / "run"
        with (
            broker.observer() as seen,
            Daemon(folder, daemon_settings(broker), {"RUNTIME_DIRECTORY": str(runtime)}) as daemon,
        ):
            old = payloads([seen.wait_for("appliance/t/event")[0].payload])[0]
            assert (old["seq"], old["type"]) == (1, "started")
            wait_until(lambda: len({event["boot"] for event in events(seen)}) == 2, "new events are published too")
            seen.wait_for("appliance/t/labels", count=3)
            assert "read-only" in json.loads(seen.wait_for("appliance/t/stats")[-1].payload)["storage_error"]
            checked = json.loads(daemon.run("check", "--config", str(folder / "appliance.toml"), "--json").stdout)
            disk = next(result for result in checked if result["part"] == "disk")
            assert not disk["ok"] and "works from memory" in disk["says"]
            assert daemon.stop() == 0
        assert "Traceback" not in daemon.log, daemon.log
        assert daemon.count_lines("the state folder cannot be written") == 1
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def events(seen):
    return payloads(seen.payloads("appliance/t/event"))
