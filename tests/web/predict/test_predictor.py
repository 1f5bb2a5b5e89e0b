"""Predictions follow the active model, one at a time."""

import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.input_spec import ASSUMED
from appliance.errors import PictureError, RequestError
from appliance.imaging.files import encode_jpeg
from appliance.web.predict import predictor as predictor_module
from appliance.web.predict.predictor import Predictor
from support.paths import FLOWERS

BUNDLE = read_bundle(FLOWERS)
PICTURE = encode_jpeg(np.zeros((64, 64, 3), np.uint8))


class FakeLabeler:
    """A labeler whose scores rise."""

    input_px, inference_ms = (32, 32), 1.0

    def __init__(self, bundle):
        self.bundle = bundle

    def score(self, pixels):
        return np.linspace(0, 1, len(self.bundle.labels)).astype(np.float32)


def read(data, _):
    return data


def predict(predictor, *pictures):
    return predictor.submit(lambda: predictor.predict(pictures, read)).result(20)


def test_labeler_is_loaded_once_and_again_after_a_swap():
    opened, active = [], [BUNDLE]

    def open_labeler(bundle):
        opened.append(bundle.identity.name)
        return FakeLabeler(bundle)

    with closing(Predictor(lambda: active[-1], open_labeler)) as predictor:
        assert len(predict(predictor, PICTURE, PICTURE)) == 2
        predict(predictor, PICTURE)
        active.append(replace(BUNDLE, identity=replace(BUNDLE.identity, name="other")))
        predict(predictor, PICTURE)
    assert opened == ["flowers", "other"]


def test_picture_that_cannot_be_read_is_named():
    with closing(Predictor(lambda: BUNDLE, FakeLabeler)) as predictor, pytest.raises(PictureError, match="instance 1"):
        predict(predictor, PICTURE, b"no")


def test_assumed_range_is_answered_under_each_range():
    bundle = replace(BUNDLE, input=replace(BUNDLE.input, source=ASSUMED))
    with closing(Predictor(lambda: bundle, FakeLabeler)) as predictor:
        answer = predictor.try_picture(np.zeros((4, 4, 3), np.uint8))
    assert set(answer["ranges"]) == {"-1..1", "0..1", "0..255"} and len(answer["labels"]) == 5


def test_too_many_waiting_requests_are_refused():
    release = threading.Event()
    with closing(Predictor(lambda: BUNDLE, lambda bundle: release.wait(20) and FakeLabeler(bundle))) as predictor:
        waiting = [predictor.submit(lambda: predictor.predict([PICTURE], read)) for _ in range(6)]
        with pytest.raises(RequestError, match="try again") as raised:
            predict(predictor, PICTURE)
        assert raised.value.status == 503
        release.set()
        for each in waiting:
            assert each.result(20)
        assert predict(predictor, PICTURE)
    assert predictor_module.MAX_PICTURES == 16


def test_request_after_the_end_is_refused():
    predictor = Predictor(lambda: BUNDLE, FakeLabeler)
    predictor.close()
    for _ in range(8):
        with pytest.raises(RequestError, match="restarting"):
            predict(predictor, PICTURE)
