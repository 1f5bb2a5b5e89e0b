"""Test which model and threshold are used after swaps, commands and changed settings."""

import threading

import pytest

from appliance.bundle.key import bundle_key
from appliance.daemon.model_switch import ModelSwitch
from appliance.daemon.overrides import OverrideFile
from appliance.errors import LabelOptionError, SettingsError, StoreError
from appliance.imaging.view import View
from appliance.settings.schema import EventSettings, LabelerSettings
from support.broker import wait_until
from support.labeling_device import LABELS


class NamedModel:
    """An active model with only the bundle's threshold, for tests that need nothing else."""

    def __init__(self, threshold):
        self.current = self.bundle = self
        self.confidence_threshold = threshold


class WatchedLock:
    """A lock that records whether a second thread waits for it."""

    def __init__(self):
        self.lock, self.is_waited_for = threading.Lock(), threading.Event()

    def __enter__(self):
        if self.lock.locked():
            self.is_waited_for.set()
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


@pytest.mark.parametrize(("own", "kept"), [(0.7, 0.9), (0.5, None), (None, None)])
def test_threshold_of_another_model_does_not_outlive_a_start(tmp_path, own, kept, caplog):
    caplog.set_level("INFO")
    OverrideFile(tmp_path).set_running(False)
    OverrideFile(tmp_path).set_threshold(0.9, bundle_threshold=0.7)
    overrides = OverrideFile(tmp_path)
    ModelSwitch(NamedModel(own), None, overrides, lambda labels: None)
    assert overrides.values.threshold == OverrideFile(tmp_path).values.threshold == kept
    assert overrides.values.running is False
    is_logged = "threshold 0.9 set over MQTT no longer applies" in caplog.text and "0.7" in caplog.text
    assert is_logged is (kept is None)


def test_thresholds_take_precedence_mqtt_then_remote_then_bundle(make_device):
    device = make_device()
    own = device.active.current.bundle.confidence_threshold
    assert device.threshold == pytest.approx(0.5 if own is None else own)
    device.switch.set_remote_threshold(0.31)
    wait_until(lambda: device.threshold == pytest.approx(0.31), "the threshold of Remote Config")
    device.switch.set_threshold(0.62)
    wait_until(lambda: device.threshold == pytest.approx(0.62), "the threshold of MQTT")
    assert device.overrides.values.threshold == 0.62
    device.switch.set_threshold(None)
    wait_until(lambda: device.threshold == pytest.approx(0.31), "the threshold of Remote Config again")
    device.switch.set_remote_threshold(None)
    wait_until(lambda: device.threshold == pytest.approx(0.5 if own is None else own), "the bundle's again")


def test_same_remote_threshold_prepares_nothing_again(make_device):
    device = make_device()
    device.switch.set_remote_threshold(0.31)
    wait_until(lambda: device.threshold == pytest.approx(0.31), "the threshold of Remote Config")
    engine = device.pipeline.engine
    device.switch.set_remote_threshold(0.31)
    device.allow()  # takes effect after it
    assert device.pipeline.engine.labeler is engine.labeler
    assert device.pipeline.remote_threshold == 0.31


def test_settings_that_do_not_fit_change_nothing(make_device):
    device = make_device()
    with pytest.raises(LabelOptionError, match="rosses"):
        device.switch.apply_settings(LabelerSettings(allow=("rosses",)), EventSettings(), View(), reload_model=False)
    with pytest.raises(SettingsError, match=r"labeler\.model"):
        device.switch.apply_settings(LabelerSettings(model="/gone.zip"), EventSettings(), View(), reload_model=True)
    assert device.allowed == []
    assert (device.labeling, device.active.is_overridden) == ("two", False)


def test_allowed_labels_are_passed_on_with_the_settings(make_device):
    device = make_device()
    device.allow(LABELS[0])
    assert device.allowed == [(LABELS[0],)]


def test_commit_runs_only_if_the_model_fits(make_device):
    device = make_device(one=("something else", *LABELS[1:]))
    device.allow(LABELS[0])
    commits = []
    with pytest.raises(LabelOptionError):
        device.switch.switch(device.active.load_previous, lambda: commits.append(True))
    assert commits == []
    assert device.labeling == "two"


@pytest.mark.parametrize("first", ["owner", "updater"])
def test_two_who_leave_one_model_go_back_only_one(make_device, first):
    """Both callers leave `two`; the second waits while the first loads `one`."""
    device, is_loading, may_load = make_device(), threading.Event(), threading.Event()
    callers = {
        "owner": lambda: device.commands.execute("rollback"),
        "updater": lambda: device.host.rollback("it is too slow"),
    }
    load_previous, two = device.active.load_previous, device.active.current.bundle

    def load_slowly(bundled=False):
        is_loading.set()
        assert may_load.wait(10)
        return load_previous(bundled)

    device.active.load_previous = load_slowly
    device.switch._switch_lock = lock = WatchedLock()
    winner = threading.Thread(target=callers.pop(first))
    winner.start()
    assert is_loading.wait(10)
    errors = []

    def call_second():
        try:
            callers.popitem()[1]()
        except StoreError as error:
            errors.append(str(error))

    loser = threading.Thread(target=call_second)
    loser.start()
    assert lock.is_waited_for.wait(10)
    may_load.set()
    winner.join(20)
    loser.join(20)
    assert (device.active.current.identity.name, device.stored) == ("one", "one")
    assert len(errors) == 1
    assert f"two {two.version} is no longer the active model" in errors[0]
    assert {rejection.hash for rejection in device.active.store.read_state().rejections} == {bundle_key(two)}
