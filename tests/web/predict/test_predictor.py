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
from appliance.web.predict.pictures import decode_picture
from appliance.web.predict.predictor import Predictor
from support.paths import FLOWERS

BUNDLE = read_bundle(FLOWERS)
PICTURE = encode_jpeg(np.zeros((64, 64, 3), np.uint8))


class FakeLabeler:
    """A labeler whose scores rise."""

    input_px, inference_ms = (32, 32), 1.0

    def __init__(self, bundle):
        self.bundle = bundle

    def prepare(self, pixels):
        """Take a picture."""

    def invoke(self):
        """Run the model."""

    def read_scores(self):
        return np.linspace(0, 1, len(self.bundle.labels)).astype(np.float32)

    def score(self, pixels):
        return self.read_scores()


def predict(predictor, *pictures):
    return predictor.submit(lambda: predictor.predict(pictures)).result(20)


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


def test_next_picture_is_decoded_while_the_model_runs(monkeypatch):
    decoded = threading.Semaphore(0)
    threads, brightness = set(), []

    def decode(data, name, least_px):
        pixels = decode_picture(data, name, least_px)
        decoded.release()
        return pixels

    class WaitingLabeler(FakeLabeler):
        def prepare(self, pixels):
            # Only this picture is in memory.
            assert decoded.acquire(timeout=20) and not decoded.acquire(blocking=False)
            brightness.append(int(pixels[0, 0, 0]))

        def invoke(self):
            threads.add(threading.current_thread())
            if len(brightness) < 3:
                assert decoded.acquire(timeout=20), "the next picture is decoded only after this one was labeled"
                decoded.release()

    monkeypatch.setattr(predictor_module, "decode_picture", decode)
    with closing(Predictor(lambda: BUNDLE, WaitingLabeler)) as predictor:
        pictures = [encode_jpeg(np.full((64, 64, 3), value, np.uint8)) for value in (10, 90, 170)]
        assert len(predict(predictor, *pictures)) == 3
    assert brightness == [10, 90, 170] and len(threads) == 1


def test_end_in_the_middle_of_a_request_is_one_sentence():
    class EndingLabeler(FakeLabeler):
        def prepare(self, pixels):
            predictor.close()

    predictor = Predictor(lambda: BUNDLE, EndingLabeler)
    with pytest.raises(RequestError, match="restarting"):
        predict(predictor, PICTURE, PICTURE)


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
        waiting = [predictor.submit(lambda: predictor.predict([PICTURE])) for _ in range(6)]
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
