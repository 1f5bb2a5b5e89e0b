"""Test a daemon whose committed model fails on some frames, or does not return from them."""

import json

import numpy as np
import pytest
from PIL import Image

from appliance.bundle.bundle import read_bundle
from appliance.updates.store.store import Store
from support.broker import wait_until
from support.bundles import bundle_folder
from support.daemon import Daemon, settings
from support.made_models import fails_on_bright, never_ends_on_bright
from support.paths import FLOWERS


@pytest.fixture
def pictures(tmp_path):
    """Make a folder of pictures, every second one of which is bright."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((64, 64, 3), 255 if number % 2 else 40, np.uint8)).save(folder / f"{number}.png")
    return folder


def install(tmp_path, model):
    """Install a model without a probation, in the state folder of the daemon."""
    state = tmp_path / "d" / "state"
    state.mkdir(parents=True)
    return Store(state, FLOWERS).install(read_bundle(bundle_folder(tmp_path / "faulty", model=model)), "a test")


@pytest.mark.slow
def test_model_that_fails_on_half_of_the_frames_is_rolled_back(broker, tmp_path, pictures):
    model = install(tmp_path, fails_on_bright())
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, pictures)) as daemon:
        wait_until(lambda: b'"failing"' in (seen.last("appliance/t/stats") or b""), "labeling is failing")
        seen.wait_for("appliance/t/update", deadline_s=120)
        [step] = map(json.loads, seen.payloads("appliance/t/update"))
        assert (step["state"], step["sha256"]) == ("rolled_back", model.sha256)
        assert "in a minute" in step["reason"] and str(tmp_path) not in step["reason"]
        assert len(daemon.log) < 3000
        wait_until(lambda: b'"labeling":"ok"' in seen.last("appliance/t/stats"), "labeling works again")
        assert json.loads(seen.last("appliance/t/stats"))["labeling_errors"] > 50
        assert "current, bundled      general" in daemon.run("model", "list").stdout
        assert Store(tmp_path / "d" / "state", FLOWERS).rejection(model.key)


@pytest.mark.slow
def test_model_that_hangs_twice_after_its_probation_is_rolled_back(broker, tmp_path, pictures):
    model = install(tmp_path, never_ends_on_bright())
    with broker.observer() as seen, Daemon(tmp_path / "d", settings(broker, pictures)) as daemon:
        for _ in range(2):
            assert daemon.wait(90) == 1
            assert "for more than 30 s; ending the process" in daemon.log
            daemon.start()
        seen.wait_for("appliance/t/update")
        daemon.wait_for_log("model general")
        [step] = map(json.loads, seen.payloads("appliance/t/update"))
        assert (step["state"], step["sha256"]) == ("rolled_back", model.sha256)
        assert "does not respond" in step["reason"]
        seen.wait_for("appliance/t/camera", b"online", count=3)
