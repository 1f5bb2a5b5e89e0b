"""Test the rollback of a committed model that fails: in the real store, with the real pipeline."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.fault_rollback import FaultRollback
from appliance.daemon.labeling_health import LabelingHealth
from appliance.imaging.view import View
from appliance.settings.schema import EventSettings, LabelerSettings
from support.bundles import bundle_folder
from support.labeling_device import LABELS
from support.made_models import fails_on_bright, not_numbers

REASON = "it could not label 20 frames in a row: broken"


class Fault:
    """A device whose active model fails."""

    def __init__(self, device, commit=True):
        self.device, self.woken = device, []
        if commit:
            device.active.store.commit()
        self.rollback = FaultRollback(device.active, device.host, lambda: self.woken.append(True))

    def report(self):
        thread = self.rollback.start(self.device.active.current, REASON)
        thread.join(20)
        assert not thread.is_alive()

    @property
    def steps(self):
        return [(step.state, step.reason) for step in self.device.reports.updates]


def test_committed_model_that_fails_is_rolled_back_refused_and_reported(make_device):
    fault = Fault(make_device())
    left = fault.device.active.store.read_state().current
    fault.report()
    assert (fault.device.labeling, fault.device.stored) == ("one", "one")
    assert fault.device.active.store.rejection(left.key).reason == REASON
    assert fault.steps == [("rolled_back", REASON)]
    assert fault.woken == [True]


def test_models_before_it_are_rolled_back_too_until_none_is_left(make_device, caplog):
    fault = Fault(make_device())
    for expected in ("one", "flowers", "flowers"):
        fault.report()
        assert (fault.device.labeling, fault.device.stored) == (expected, expected)
    assert len(fault.steps) == 2
    assert "there is no model to go back to" in caplog.text


def test_model_on_probation_is_left_to_the_updater(make_device):
    fault = Fault(make_device(), commit=False)
    fault.report()
    assert (fault.device.labeling, fault.steps) == ("two", [])


def test_model_that_was_replaced_meanwhile_is_not_rolled_back(make_device):
    fault = Fault(make_device())
    failed = fault.device.active.current
    fault.device.commands.execute("rollback")
    fault.device.wait_for_model("one")
    steps = len(fault.steps)
    fault.rollback.start(failed, REASON).join(20)
    assert (fault.device.labeling, len(fault.steps)) == ("one", steps)


def test_configured_model_stays_and_the_log_names_the_setting(make_device, tmp_path, caplog):
    fault = Fault(make_device())
    settings = LabelerSettings(model=str(tmp_path / "one"))
    fault.device.switch.apply_settings(settings, EventSettings(), View(), reload_model=True)
    fault.report()
    assert fault.steps == []
    assert "labeler.model names it" in caplog.text


def test_model_that_does_not_fit_the_settings_is_passed_over(make_device):
    fault = Fault(make_device(one=("something else", *LABELS[1:])))
    fault.device.allow(LABELS[0])
    fault.report()
    assert (fault.device.labeling, fault.steps) == ("flowers", [("rolled_back", REASON)])


@pytest.mark.parametrize("model", [fails_on_bright(), not_numbers()])
def test_failing_frames_of_a_real_model_roll_it_back(make_device, tmp_path, model):
    device = make_device()
    fault = Fault(device)
    bundle_folder(tmp_path / "faulty", model=model)
    device.active.store.install(read_bundle(tmp_path / "faulty"), "a test")
    device.results.register(LabelingHealth(fault.rollback.start, lambda: None))
    device.commands.execute("reload-model")
    device.wait_for_model("colours")
    device.show_until(255, lambda: fault.steps)
    assert (device.labeling, device.stored) == ("two", "two")
    [(state, reason)] = fault.steps
    assert state == "rolled_back"
    assert "20 frames in a row" in reason and str(tmp_path) not in reason
