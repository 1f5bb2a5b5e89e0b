"""Orders from the control socket."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from appliance.daemon.commands import DeviceCommands
from appliance.daemon.overrides import Overrides, read_remembered, write_remembered
from appliance.errors import ControlError


class BusyUpdater:
    """An update machine in the middle of a long download: what it is asked waits."""

    def check(self) -> Future:
        return Future()


def test_a_check_that_waits_behind_a_download_gets_a_sentence(tmp_path):
    models = SimpleNamespace(named=False, held=None)
    orders = DeviceCommands(tmp_path, models, None, None, None, restart=None, describe=None, check_limit_s=0.05)
    orders.updater = BusyUpdater()
    with pytest.raises(
        ControlError, match="no answer came within 0.05 s: a download may be under way, .* see its log, and ask"
    ):
        orders.answer({"command": "model-check"})


def test_a_command_of_another_version_is_said(tmp_path):
    orders = DeviceCommands(tmp_path, None, None, None, None, restart=None, describe=lambda: {"version": "x"})
    assert orders.answer({"command": "status"}) == {"version": "x"}
    with pytest.raises(ControlError, match="the daemon knows no command 'dance'"):
        orders.answer({"command": "dance"})


@pytest.mark.parametrize(("own", "holds"), [(0.7, 0.9), (0.5, None), (None, None)])
def test_a_threshold_set_for_another_model_does_not_outlive_a_start(tmp_path, own, holds, caplog):
    caplog.set_level("INFO")
    write_remembered(tmp_path, Overrides(threshold=0.9, running=False, bundle_threshold=0.7))
    models = SimpleNamespace(current=SimpleNamespace(bundle=SimpleNamespace(confidence_threshold=own)))
    orders = DeviceCommands(tmp_path, models, None, None, None, restart=None, describe=None)
    assert orders.remembered.threshold == read_remembered(tmp_path).threshold == holds
    assert orders.remembered.running is False
    why = "it was set for a model that brings 0.7 itself, and this one does not"
    assert (f"the threshold 0.9 set over MQTT no longer holds: {why}" in caplog.text) is (holds is None)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"threshold": 2, "running": true}', '{"running": true}', '{"threshold": 0.5, "running": "ON"}'],
)
def test_a_memory_that_makes_no_sense_counts_as_none_and_is_said(tmp_path, content, caplog):
    (tmp_path / "remembered.json").write_text(content)
    assert read_remembered(tmp_path) == Overrides()
    assert "remembered.json cannot be used" in caplog.text and "running is ON" in caplog.text
