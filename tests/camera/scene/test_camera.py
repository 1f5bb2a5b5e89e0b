"""Drawn scenes: the pictures of the demo, on which many other tests rely."""

import time
from itertools import islice, pairwise

import numpy as np
import pytest

from appliance.camera.scene.camera import ROUND_S, SceneCamera, Showing, draw_scene, generate_appearances
from appliance.camera.scene.flowers import LABELS
from appliance.settings.schema import CameraSettings

FPS = 5.0


def camera(seed: int = 1, **settings) -> SceneCamera:
    return SceneCamera(CameraSettings(source="scene", **{"fps": FPS, **settings}), seed=seed)


def test_frames_have_the_default_size():
    pixels = camera().read()
    assert pixels.shape == (480, 640, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 1, "a scene is not one flat color"


@pytest.mark.parametrize("size", [(16, 16), (1280, 720), (240, 640), (640, 64)])
def test_frames_have_the_configured_size(size):
    scenes = camera(size=size, fps=2.0)
    for _ in range(20):
        assert scenes.read().shape == (size[1], size[0], 3)


def test_scenes_are_a_recording():
    scenes = camera()
    assert not scenes.live
    assert scenes.dropped == 0
    assert "640×480" in scenes.description


def test_same_seed_gives_the_same_pictures():
    first, second = camera(seed=3, size=(160, 120)), camera(seed=3, size=(160, 120))
    for _ in range(120):
        assert np.array_equal(first.read(), second.read())
        assert first.showing == second.showing


def test_another_seed_gives_other_pictures():
    first, second = camera(seed=3), camera(seed=4)
    assert not np.array_equal(first.read(), second.read())


def test_frame_belongs_to_the_caller():
    """What the reader draws on a frame does not appear in the next."""
    clean, drawn_on = camera(), camera()
    clean.read()
    drawn_on.read()[:] = 255
    assert np.array_equal(clean.read(), drawn_on.read())


@pytest.mark.parametrize("seed", range(5))
def test_every_label_is_fully_in_view_within_a_round(seed):
    scenes = camera(seed=seed, size=(64, 48))
    seen = set()
    for _ in range(round(ROUND_S * FPS)):
        scenes.read()
        if scenes.showing.whole:
            seen.add(scenes.showing.label)
    assert seen == set(LABELS)


def test_first_flower_is_whole_within_two_seconds():
    """The time from the start to the first label in the demo depends on it."""
    scenes = camera(size=(64, 48))
    for _ in range(round(2 * FPS)):
        scenes.read()
    assert scenes.showing.whole


def test_showing_follows_the_appearances():
    scenes = camera(seed=2, size=(64, 48))
    entries = list(islice(generate_appearances(2), 8))
    for frame in range(round(entries[-1].begins_s * FPS)):
        second = frame / FPS
        scenes.read()
        now = [entry for entry in entries if entry.label and entry.begins_s <= second < entry.ends_s]
        whole = bool(now) and now[0].arrived_s <= second < now[0].leaves_s
        assert scenes.showing == Showing(now[0].label if now else None, whole)


def test_flowers_stay_3_s_and_gaps_end_their_events():
    flowers = [entry for entry in islice(generate_appearances(5), 60) if entry.label]
    for flower, following in pairwise(flowers):
        assert flower.leaves_s - flower.arrived_s >= 3
        assert following.begins_s - flower.ends_s >= 2.5
        assert flower.label != following.label


def test_distractors_pass_without_a_label():
    things = [entry for entry in islice(generate_appearances(5), 60) if not entry.label]
    assert {thing.kind for thing in things} >= {"ball", "leaf"}
    assert all(thing.arrived_s == thing.leaves_s for thing in things)


def test_frames_between_flowers_are_empty_background():
    """Between the flowers the picture is exactly the empty background."""
    scenes, entries = camera(seed=2), list(islice(generate_appearances(2), 2))
    empty = scenes.read()
    after = round((entries[0].ends_s + 0.1) * FPS)
    during = round((entries[0].arrived_s + 0.5) * FPS)
    frames = {frame: scenes.read() for frame in range(1, after + 1)}
    assert not np.array_equal(frames[during], empty)
    assert np.array_equal(frames[after], empty)


@pytest.mark.parametrize("loop", [True, False])
def test_scenes_never_end(loop):
    """After ten minutes flowers still appear, with any loop setting."""
    scenes = camera(size=(32, 32), fps=0.5, loop=loop)
    late = set()
    for frame in range(450):
        scenes.read()
        if frame > 300:
            late.add(scenes.showing.label)
    assert late > set(LABELS)


def test_time_is_counted_in_frames():
    """Twice the rate shows the same second after twice the frames."""
    slow, fast = camera(seed=6, fps=5.0), camera(seed=6, fps=10.0)
    for _ in range(30):
        frame = slow.read()
        assert np.array_equal(frame, fast.read())
        fast.read()


def test_scenes_can_be_closed_twice():
    scenes = camera()
    scenes.read()
    scenes.close()
    scenes.close()


@pytest.mark.parametrize("label", LABELS)
def test_each_label_is_drawn_in_many_ways(label):
    rng = np.random.default_rng(1)
    assert not np.array_equal(draw_scene(label, rng), draw_scene(label, rng))
    assert np.array_equal(draw_scene(label, np.random.default_rng(9)), draw_scene(label, np.random.default_rng(9)))


def test_reading_a_scene_is_cheap():
    """The processor time of the daemon must go to the model, not to the scenes."""
    scenes = camera()
    spent_s = []
    for _ in range(100):
        before_s = time.process_time()
        scenes.read()
        spent_s.append(time.process_time() - before_s)
    assert np.median(spent_s) < 0.004
