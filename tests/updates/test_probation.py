"""Test the probation: what counts, what fails a model, and that pauses do not count."""

import pytest

from appliance.updates.probation import MIN_FRAMES, FrameTiming, Probation, compute_terms

FPS = 10


def probation(duration_s=10.0, **more):
    return Probation(
        compute_terms(**{"duration_s": duration_s, "fps": FPS, "max_latency_ms": None, "old_p95_ms": 5.0, **more})
    )


def feed(watched, frames, begin_s=0.0, every_s=1 / FPS, ms=5.0, error=None):
    """Feed frames until there is an outcome; return the time after the last one."""
    now_s = begin_s
    for _ in range(frames):
        if watched.passed or watched.failure:
            break
        watched.record_frame(FrameTiming(now_s, ms, error))
        now_s += every_s
    return now_s


def test_equally_fast_model_passes_after_its_time():
    watched = probation()
    end_s = feed(watched, 1000)
    assert watched.passed and end_s == pytest.approx(10.1, abs=0.15)


@pytest.mark.parametrize(
    ("given", "limit_ms"),
    [
        ({"old_p95_ms": 50.0}, 150),
        ({"old_p95_ms": 5.0}, 80),
        ({"old_p95_ms": None}, 80),
        ({"old_p95_ms": 50.0, "max_latency_ms": 20.0}, 20),
        ({"old_p95_ms": 5.0, "max_latency_ms": 900.0}, 900),
    ],
)
def test_the_limit_is_the_larger_of_two_or_the_one_that_is_given(given, limit_ms):
    assert probation(**given).terms.limit_ms == limit_ms


def test_time_without_frames_does_not_count():
    watched = probation()
    now_s = feed(watched, 50)
    feed(watched, 49, begin_s=now_s + 3600)
    assert not watched.passed and not watched.failure and watched.elapsed_s < 10
    feed(watched, 10, begin_s=now_s + 3605)
    assert watched.passed


def test_frames_far_apart_do_not_count():
    watched = probation(duration_s=1)
    feed(watched, 200, every_s=60)
    assert not watched.passed


def test_slow_cameras_are_given_their_time():
    watched = Probation(compute_terms(60, 0.1, None, 5.0))
    feed(watched, 100, every_s=10)
    assert watched.passed and watched.frames == MIN_FRAMES


def test_fewer_than_twenty_frames_prove_nothing():
    watched = probation(duration_s=0.5)
    feed(watched, MIN_FRAMES - 1)
    assert not watched.passed
    feed(watched, 1, begin_s=(MIN_FRAMES - 1) / FPS)
    assert watched.passed


def test_no_duration_still_asks_for_twenty_frames():
    watched = probation(duration_s=0)
    feed(watched, 100)
    assert watched.passed and watched.frames == MIN_FRAMES


def test_one_error_fails_it():
    watched = probation()
    feed(watched, 5)
    watched.record_frame(FrameTiming(0.6, 0.0, "scores that are no numbers"))
    assert "scores that are no numbers" in watched.failure and not watched.passed
    feed(watched, 1000, begin_s=0.7)
    assert watched.failure and not watched.passed


def test_slow_model_fails_before_its_time():
    watched = probation(duration_s=600)
    end_s = feed(watched, 100_000, ms=90)
    assert "too slow" in watched.failure and "80 ms" in watched.failure and end_s < 60


def test_model_slower_than_the_camera_fails():
    watched = probation(duration_s=20)
    end_s = feed(watched, 10_000, ms=6000, every_s=6.0)
    assert watched.failure and end_s <= MIN_FRAMES * 6


@pytest.mark.parametrize(("slow_every", "passes"), [(21, True), (19, False)])
def test_p95_decides(slow_every, passes):
    watched = probation(duration_s=60)
    for number in range(1, 700):
        if watched.failure or watched.passed:
            break
        watched.record_frame(FrameTiming(number / FPS, 100.0 if number % slow_every == 0 else 5.0))
    assert watched.passed == passes and bool(watched.failure) != passes


def test_some_slow_frames_at_the_beginning_are_forgiven():
    watched = probation(duration_s=60)
    now_s = feed(watched, 15, ms=200)
    feed(watched, 1000, begin_s=now_s)
    assert watched.passed
