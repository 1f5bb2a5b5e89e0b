"""Training lowers the loss, continues after a kill, and ends in time."""

import time
from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.imaging.files import encode_jpeg  # noqa: E402 - after the check for torch
from appliance.workshop.training.finetune.checkpoint import TuningCheckpoint  # noqa: E402
from appliance.workshop.training.finetune.network import Lite0Network  # noqa: E402
from appliance.workshop.training.finetune.pixels import PixelFile  # noqa: E402
from appliance.workshop.training.finetune.schedule import TuningSchedule  # noqa: E402
from appliance.workshop.training.finetune.tuning import FineTuning, TuningData, TuningOptions  # noqa: E402


class KillError(Exception):
    pass


@dataclass(frozen=True)
class Drawn:
    name: str
    label: int

    def read_bytes(self):
        rng = np.random.default_rng(int(self.name))
        pixels = rng.integers(0, 60, (40, 40, 3))
        pixels[..., 2 * self.label] += 180
        return encode_jpeg(pixels.astype(np.uint8))


def read(first, count):
    targets = np.arange(count) % 2
    file = PixelFile(count, 40)
    file.read([Drawn(str(first + index), int(label)) for index, label in enumerate(targets)], lambda *_: None)
    return file, targets


@pytest.fixture(scope="module")
def tuning_data():
    return TuningData(*read(0, 96), *read(1000, 20))


def prepare(weights, data, folder, progress=lambda *_: None, seconds=None):
    network = Lite0Network(2)
    network.load_published(weights)
    end_s = None if seconds is None else time.monotonic() + seconds
    return FineTuning(network, data, TuningOptions(0, True, end_s, progress), TuningCheckpoint(folder, [b"a"]))


@pytest.mark.slow
def test_training_learns_and_continues_after_a_kill(weights, tuning_data, tmp_path):
    def kill_in_the_fourth_epoch(step, done, total):
        if step.startswith("fine-tuning, epoch 4"):
            raise KillError

    with pytest.raises(KillError):
        prepare(weights, tuning_data, tmp_path, kill_in_the_fourth_epoch).run()
    steps = []
    continued = prepare(weights, tuning_data, tmp_path, lambda step, done, total: steps.append(step))
    tuned = continued.run()
    assert steps[0].startswith("fine-tuning, epoch 4")  # three epochs were saved
    assert not tuned.network.training and tuned.epochs >= 4 and 0 <= tuned.accuracy <= 1


@pytest.mark.slow
def test_too_little_time_gives_nothing(weights, tuning_data):
    assert prepare(weights, tuning_data, None, seconds=0.01).run() is None


def test_training_stops_early_only_at_a_low_learning_rate(weights, tuning_data, monkeypatch):
    # Nothing improves after the first epoch; batches and measurements take no time.
    monkeypatch.setattr(FineTuning, "_train_batch", lambda *_: None)
    monkeypatch.setattr(FineTuning, "_measure", lambda _: (1.0, 0.5))
    monkeypatch.setattr(FineTuning, "_plan", lambda _: TuningSchedule(16, 3))
    tuned = prepare(weights, tuning_data, None).run()
    # The rate is below half of the highest one after 58 % of the steps; three more epochs bring nothing.
    assert tuned.epochs == 12
