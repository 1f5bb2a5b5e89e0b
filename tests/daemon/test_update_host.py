"""How models are put in and taken back in the running pipeline, and what that leaves in the store."""

import threading
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.key import bundle_key
from appliance.camera.scene.camera import draw_scene
from appliance.daemon.active_model import BUNDLED, ActiveModel
from appliance.daemon.commands import DeviceCommands
from appliance.daemon.meter import Meter
from appliance.daemon.pipeline import Pipeline
from appliance.daemon.update_host import UpdateHost
from appliance.errors import LabelOptionError, StoreError
from appliance.imaging.frame_slot import FrameSlot
from appliance.imaging.view import View
from appliance.labeling.labeler import Labeler
from appliance.settings.schema import EventSettings, LabelerSettings
from support.broker import wait_until

LABELS = read_bundle(BUNDLED).labels


class Results:
    """What the service does with results: only that another model labels is of interest here."""

    def __init__(self):
        self.junction = None

    def labeled(self, *_):
        pass

    def ended(self, events):
        pass

    def engine_changed(self, engine):
        self.junction.engine_changed(engine)


class Device:
    """A device without camera and broker, on which `two` labels and `one` was before it."""

    def __init__(self, folder, one, two):
        (folder / "state").mkdir()
        self.models = ActiveModel(folder / "state", LabelerSettings(), View())
        for name, labels in (("one", one), ("two", two)):
            bundle = read_bundle(BUNDLED)
            write_bundle(replace(bundle, labels=labels, identity=replace(bundle.identity, name=name)), folder / name)
            self.models.store.install(read_bundle(folder / name), "a test", probation=name == "two")
        self.models.current = self.models.load()
        results, numbers = Results(), count(1)
        self.pipeline = Pipeline(
            FrameSlot(), LabelerSettings(), EventSettings(), results, lambda: f"id-{next(numbers)}", Meter()
        )
        self.told = Told()
        results.junction = self.junction = UpdateHost(self.models, self.pipeline, self.told)
        self.orders = DeviceCommands(
            folder / "state", self.models, self.pipeline, None, self.told, restart=None, describe=None
        )
        self.junction.ties(self.orders)
        self.pipeline.use(self.pipeline.prepare(self.models.current, None))
        self.thread = threading.Thread(target=self.pipeline.run, daemon=True)
        self.thread.start()
        wait_until(lambda: self.pipeline.engine is not None, "it labels")

    def allow(self, *labels):
        """The settings are read again, and fit what labels; returns when they are in force."""
        before = self.pipeline.engine
        self.orders.use_settings(LabelerSettings(allow=labels), EventSettings(), View(), load_model=False)
        wait_until(lambda: self.pipeline.engine is not before, "the settings are in force")

    @property
    def labels(self):
        """The name of what labels."""
        return self.pipeline.engine.labeler.identity.name

    @property
    def stored(self):
        """The name of what the next start runs."""
        current = self.models.store.state().current
        return current.name if current else "flowers"


class Told:
    """Where reports go: they are not what these tests are about."""

    def model(self, payload):
        pass

    def update(self, payload):
        pass

    def allow(self, labels):
        pass


@pytest.fixture
def device(tmp_path):
    devices = []

    def make(one=LABELS, two=LABELS):
        devices.append(Device(tmp_path, one, two))
        return devices[-1]

    yield make
    for made in devices:
        made.pipeline.stop()
        made.thread.join(10)


def test_the_model_before_is_put_back(device):
    made = device()
    made.junction.roll_back("it is too slow")
    assert (made.labels, made.stored) == ("one", "one")


def test_where_the_model_before_does_not_suit_the_settings_the_bundled_one_is_put_in(device):
    made = device(one=("something else", *LABELS[1:]))
    made.allow(LABELS[0])
    made.junction.roll_back("it is too slow")
    assert (made.labels, made.stored) == ("flowers", "flowers")
    assert made.models.store.state().refused[0].reason == "it is too slow"


def test_where_nothing_suits_the_settings_nothing_changes_until_they_do(device):
    made = device(two=("only here", *LABELS[1:]))
    made.allow("only here")
    for _ in range(2):
        with pytest.raises(LabelOptionError, match="only here"):
            made.junction.roll_back("it is too slow")
        assert (made.labels, made.stored) == ("two", "two") and made.models.store.state().probation
    made.allow()
    made.junction.roll_back("it is too slow")
    assert (made.labels, made.stored) == ("one", "one")


def test_the_owner_does_not_go_back_to_a_model_that_does_not_suit_the_settings(device):
    made = device(two=("only here", *LABELS[1:]))
    made.allow("only here")
    with pytest.raises(LabelOptionError, match="only here"):
        made.orders.answer({"command": "model-rollback"})
    assert (made.labels, made.stored) == ("two", "two")
    made.allow()
    assert made.orders.answer({"command": "model-rollback"})["name"] == "one"
    assert made.stored == "one"


def test_a_model_that_does_not_suit_the_settings_is_not_put_in_the_store(device):
    """They were read again between the warming and the swap."""
    made = device()
    made.allow(LABELS[0])
    bundle = read_bundle(BUNDLED)
    warmed = made.models.load_beside(replace(bundle, labels=("something else", *LABELS[1:])))
    changed = []
    with pytest.raises(LabelOptionError):
        made.junction.swap(warmed, lambda: changed.append(True))
    assert not changed and made.labels == "two"


def test_a_model_is_put_in_under_the_settings_that_hold_by_then(device):
    """They were read again between the warming and the swap, and name the half of the picture where nothing is."""
    made = device()
    bundle = read_bundle(BUNDLED)
    warmed = made.junction.warm(replace(bundle, identity=replace(bundle.identity, name="three")))
    right = View(region=(0.5, 0.0, 0.5, 1.0))
    made.orders.use_settings(LabelerSettings(), EventSettings(), right, load_model=True)
    made.junction.swap(warmed, lambda: None)
    scene = draw_scene("roses", np.random.default_rng(1), (320, 240))
    picture = np.hstack([scene, np.zeros_like(scene)])
    expected = Labeler(bundle, view=right).scores(picture)
    assert made.labels == "three"
    assert not np.allclose(expected, warmed.scores(picture), atol=0.1)
    assert np.allclose(made.models.current.scores(picture), expected)


@pytest.mark.parametrize("first", ["owner", "verdict"])
def test_a_verdict_and_the_owner_at_one_moment_go_back_one_model_and_not_two(device, first):
    """Both leave `two`; the second waits while the first loads `one`."""
    made, loads, load = device(), threading.Event(), threading.Event()
    ways = {
        "owner": lambda: made.orders.answer({"command": "model-rollback"}),
        "verdict": lambda: made.junction.roll_back("it is too slow"),
    }
    load_previous, two = made.models.load_previous, made.models.current.bundle

    def slowly(bundled=False):
        loads.set()
        assert load.wait(10)
        return load_previous(bundled)

    class Following:
        """The lock of changes, which tells that somebody waits for it."""

        def __init__(self, lock):
            self.lock, self.waits = lock, threading.Event()

        def __enter__(self):
            if self.lock.locked():
                self.waits.set()
            self.lock.acquire()

        def __exit__(self, *_):
            self.lock.release()

    made.models.load_previous = slowly
    made.orders._following = following = Following(made.orders._following)
    goes = threading.Thread(target=ways.pop(first))
    goes.start()
    assert loads.wait(10)
    said = []

    def too():
        try:
            ways.popitem()[1]()
        except StoreError as error:
            said.append(str(error))

    waits = threading.Thread(target=too)
    waits.start()
    assert following.waits.wait(10)
    load.set()
    goes.join(20)
    waits.join(20)
    assert (made.models.current.identity.name, made.stored) == ("one", "one")
    assert said == [f"two {two.version} was left already: one {two.version} labels now"]
    assert {each.hash for each in made.models.store.state().refused} == {bundle_key(two)}
