"""Recording: what is kept, how it ends, and what it never does."""

import threading
import time
from itertools import count

import pytest

from appliance.errors import TeachingError
from appliance.teaching.recorder import RecordableFrame, TeachingRecorder, read_signatures
from appliance.teaching.wording import Target
from support.broker import wait_until
from support.teaching import FIRST_S, blur, counts, draw, fill, make_store

CUP = Target("cup")
EVERY_S = 0.02


class Frames:
    """Frames that change with each look, unless `pixels` are given."""

    def __init__(self, pixels=None):
        self.numbers, self.pixels, self.age_s, self.reads = count(1), pixels, 0.0, 0

    def __call__(self):
        number = next(self.numbers)

        def read():
            self.reads += 1
            return draw(number) if self.pixels is None else self.pixels

        return RecordableFrame(number, FIRST_S + number, time.monotonic() - self.age_s, read, ("cup", 0.5))


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path)


def wait_for_end(recorder):
    thread = recorder._thread
    thread.join(20)
    assert not thread.is_alive()


def test_recording_keeps_different_pictures_with_one_id(store):
    recorder = TeachingRecorder(store, Frames())
    recorder.record(CUP, EVERY_S, count=5)
    wait_for_end(recorder)
    pictures = store.listing().pictures.values()
    assert counts(store) == {"cup": 5} and len({picture.recording for picture in pictures}) == 1
    state = recorder.record(CUP, EVERY_S, 5, only_renew=True)
    assert (state["kept"], state["active"], state["last"]) == (5, False, "kept")


def test_still_scene_is_recorded_once(store):
    told = []
    recorder = TeachingRecorder(store, Frames(draw(1)), told.append)
    recorder.record(CUP, EVERY_S)
    wait_until(lambda: recorder.record(CUP, EVERY_S)["dropped"] >= 3, "dropped pictures")
    state = recorder.stop()
    assert state["kept"] == 1 and counts(store) == {"cup": 1}
    assert told[-1]["active"] is False and any(each["last"] == "similar" for each in told)


def test_recording_ends_when_nobody_renews_it(store, monkeypatch):
    monkeypatch.setattr("appliance.teaching.recorder.RENEW_LIMIT_S", 0.2)
    recorder = TeachingRecorder(store, Frames())
    recorder.record(CUP, EVERY_S)
    wait_for_end(recorder)
    assert recorder.stop()["active"] is False
    assert not [thread for thread in threading.enumerate() if thread.name == "recording"]


def test_another_label_must_wait(store):
    recorder = TeachingRecorder(store, Frames())
    recorder.record(CUP, EVERY_S)
    with pytest.raises(TeachingError, match="cup") as caught:
        recorder.record(Target("mug"), EVERY_S)
    assert caught.value.status == 409
    recorder.stop()
    recorder.record(Target("mug"), EVERY_S)
    recorder.stop()


def test_without_frames_nothing_is_recorded(store):
    with pytest.raises(TeachingError, match="no frames") as caught:
        TeachingRecorder(store, lambda: None).record(CUP)
    assert caught.value.status == 503
    old = Frames()
    old.age_s = 60.0
    with pytest.raises(TeachingError, match="no frames"):
        TeachingRecorder(store, old).record(CUP)
    with pytest.raises(TeachingError, match="nothing is being recorded"):
        TeachingRecorder(store, old).stop()


def test_full_dataset_ends_the_recording_and_says_so_once(tmp_path):
    store = make_store(tmp_path, max_bytes=3000)
    recorder = TeachingRecorder(store, Frames())
    recorder.record(CUP, EVERY_S)
    wait_for_end(recorder)
    with pytest.raises(TeachingError, match="collect.max_bytes") as caught:
        recorder.record(CUP, EVERY_S)
    assert caught.value.status == 507


def test_pictures_that_prove_to_be_blurred_are_removed(store):
    first = blur(draw(1), 12)  # seen twice: before the recording starts, and by it
    frames = iter([first, first, *(draw(seed) for seed in range(2, 9))])
    source = Frames()
    recorder = TeachingRecorder(store, lambda: (setattr(source, "pixels", next(frames, draw(8))), source())[1])
    recorder.record(CUP, EVERY_S)
    wait_until(lambda: recorder.record(CUP, EVERY_S)["kept"] >= 4, "kept pictures")
    state = recorder.stop()
    assert counts(store) == {"cup": state["kept"]} and state["dropped"] >= 1


def test_guess_of_a_kept_picture_is_noted(store):
    noted = {}
    recorder = TeachingRecorder(store, Frames(), note_guess=noted.__setitem__)
    recorder.record(CUP, EVERY_S, count=2)
    wait_for_end(recorder)
    assert set(noted) == set(store.listing().pictures) and set(noted.values()) == {("cup", 0.5)}


def test_signatures_skip_damaged_pictures(store):
    fill(store, "cup", 2)
    (store.folder / "cup" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    assert len(list(read_signatures(store, CUP))) == 2
