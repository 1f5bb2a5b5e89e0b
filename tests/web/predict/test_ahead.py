"""The next pictures of a request are decoded while the model runs, within limits on memory."""

import threading
from contextlib import closing

import numpy as np
import pytest

from appliance.errors import PictureError, RequestError
from appliance.web.predict import ahead
from appliance.web.predict.ahead import AheadDecoder

WAIT_S = 20


@pytest.fixture
def decoder():
    with closing(AheadDecoder()) as opened:
        yield opened


def make_picture(value):
    return np.full((10, 10, 3), value, np.uint8)


def read_value(pixels):
    return int(pixels[0, 0, 0])


def test_results_are_in_the_order_of_the_pictures(decoder):
    for values in ([5, 3, 9], list(range(100)), []):
        assert decoder.use_each(map(make_picture, values), read_value) == values


def test_next_picture_is_decoded_while_one_is_used(decoder):
    decoded = [threading.Event() for _ in range(3)]

    def decode():
        for number, event in enumerate(decoded):
            event.set()
            yield make_picture(number)

    def use(pixels):
        number = read_value(pixels)
        assert decoded[min(number + 1, 2)].wait(WAIT_S), "the next picture is decoded only after this one was used"
        return threading.current_thread()

    assert set(decoder.use_each(decode(), use)) == {threading.current_thread()}


@pytest.mark.parametrize(("large_bytes", "most_ahead"), [(100, 0), (1000, 1)])
def test_few_pictures_are_in_memory_at_once(decoder, monkeypatch, large_bytes, most_ahead):
    monkeypatch.setattr(ahead, "LARGE_BYTES", large_bytes)
    used, ahead_of_use = [], []

    def decode():
        for number in range(50):
            ahead_of_use.append(number - len(used))
            yield make_picture(number)

    decoder.use_each(decode(), lambda pixels: used.append(read_value(pixels)))
    assert used == list(range(50)) and max(ahead_of_use) <= most_ahead


@pytest.mark.parametrize("large_bytes", [100, 1000])
def test_fault_of_a_picture_reaches_the_caller_and_the_next_request_is_answered(decoder, monkeypatch, large_bytes):
    monkeypatch.setattr(ahead, "LARGE_BYTES", large_bytes)

    def decode():
        yield make_picture(1)
        raise PictureError("instance 1 is damaged")

    with pytest.raises(PictureError, match="instance 1"):
        decoder.use_each(decode(), read_value)
    assert decoder.use_each(map(make_picture, [1, 2]), read_value) == [1, 2]


@pytest.mark.parametrize("large_bytes", [100, 1000])
def test_fault_of_the_model_ends_decoding(decoder, monkeypatch, large_bytes):
    monkeypatch.setattr(ahead, "LARGE_BYTES", large_bytes)
    decoded, is_failed = [], threading.Event()

    def decode():
        for number in range(100_000):
            decoded.append(number)
            yield make_picture(number)
            assert is_failed.wait(WAIT_S) or number == 0

    def use(pixels):
        is_failed.set()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decoder.use_each(decode(), use)
    assert decoder.use_each(map(make_picture, [7]), read_value) == [7]
    assert len(decoded) < 100_000


def test_request_in_progress_is_completed_at_the_end_and_the_next_one_refused(decoder):
    def use(pixels):
        decoder.close()
        return read_value(pixels)

    assert decoder.use_each(map(make_picture, [1, 2, 3]), use) == [1, 2, 3]
    with pytest.raises(RequestError, match="restarting"):
        decoder.use_each(map(make_picture, [1]), read_value)
