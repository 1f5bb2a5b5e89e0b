"""Which pictures of a recording are kept."""

import time

import numpy as np

from appliance.teaching.burst import Burst, PictureVerdict, compute_signature
from support.teaching import blur, draw


def judge(burst, pixels, name="x"):
    verdict = burst.judge(pixels)
    if verdict is PictureVerdict.KEPT:
        burst.note_kept(name)
    return verdict


def test_picture_like_an_earlier_one_is_dropped():
    burst = Burst()
    assert judge(burst, draw(1, 320)) == "kept"
    assert judge(burst, np.clip(draw(1, 320).astype(int) + 9, 0, 255).astype(np.uint8)) == "similar"
    assert judge(burst, draw(2, 320)) == "kept"
    assert (burst.kept, burst.dropped, burst.last) == (2, 1, "kept")


def test_pictures_of_earlier_recordings_count_as_earlier():
    assert judge(Burst([compute_signature(draw(1, 320))]), draw(1, 320)) == "similar"


def test_blurred_picture_is_dropped():
    burst = Burst()
    for seed in range(4):
        assert judge(burst, draw(seed, 320)) == "kept"
    assert judge(burst, blur(draw(9, 320), 10)) == "blurred"
    assert judge(burst, draw(9, 320)) == "kept"


def test_blurred_first_picture_is_named_at_the_end():
    burst = Burst()
    judge(burst, blur(draw(1, 320), 10), "first")
    for seed in range(2, 6):
        judge(burst, draw(seed, 320), str(seed))
    assert burst.take_blurred() == ["first"] and (burst.kept, burst.dropped) == (4, 1)
    assert burst.take_blurred() == []


def test_background_keeps_plain_pictures():
    burst = Burst(drops_blurred=False)
    for seed in range(4):
        judge(burst, draw(seed, 320))
    assert judge(burst, blur(draw(9, 320), 20)) == "kept"


def test_each_recording_has_an_id_of_its_own():
    assert len({Burst().recording for _ in range(20)}) == 20


def test_comparing_starts_no_threads_that_wait_busily():
    """Such threads would keep the interpreter from the labeling."""
    known = [compute_signature(draw(seed, 320)) for seed in range(3)] * 130
    burst = Burst(known)
    pixels = draw(9, 320)
    burst.judge(pixels)
    process_s, thread_s = time.process_time(), time.thread_time()
    for _ in range(10):
        burst.judge(pixels)
    assert time.process_time() - process_s <= 1.3 * (time.thread_time() - thread_s)
