"""Predictions use a second processor for models that take long enough."""

import os
import time
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.daemon.page import prediction
from appliance.daemon.page.prediction import WORTH_DIVIDING_S, open_prediction_labeler
from appliance.labeling.labeler import Labeler


@pytest.mark.parametrize(("slow", "processors", "threads"), [(True, 2, [1, 2]), (False, 2, [1]), (True, 1, [1])])
def test_slow_model_gets_a_second_thread(monkeypatch, tiny_bundle, slow, processors, threads):
    opened = []

    class Measured(Labeler):
        def __init__(self, bundle, **options):
            opened.append(options.get("threads", 1))
            super().__init__(bundle, **options)

        def score(self, picture):
            time.sleep(2 * WORTH_DIVIDING_S if slow else 0)  # a model that takes so long
            return super().score(picture)

    monkeypatch.setattr(prediction, "Labeler", Measured)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    labeler = open_prediction_labeler(read_bundle(tiny_bundle), "auto")
    assert opened == threads and labeler.labels == read_bundle(tiny_bundle).labels


@pytest.fixture
def tiny_bundle() -> Path:
    return Path("bundled:flowers")
