"""Collecting frames: which are kept, how many, and what happens if the disk fails."""

import json
import logging
import threading

import numpy as np
import pytest
from PIL import Image

from appliance.bundle.identity import ModelIdentity
from appliance.collection.collector import Collector
from appliance.collection.folder import CollectedFolder
from appliance.imaging.files import read_picture
from appliance.imaging.frame import Frame
from appliance.imaging.view import View
from appliance.labeling.preprocess import Preprocessor, crop
from appliance.labeling.tracker import Event
from appliance.settings.schema import CollectSettings
from appliance.workshop.datasets.dataset import DevicePrediction
from appliance.workshop.datasets.open import open_dataset
from support.broker import wait_until
from support.input_forms import make_form

MODEL = ModelIdentity("flowers", "1.2.0", "ab" * 32)
LABELS = ("daisy", "roses", "tulips")
STARTED = [Event("e1", "started", "roses", 0.9, 0.9, 0.0)]
ONLY = {"score_max": 0.0, "margin_max": 0.0, "on_start": False, "every_s": 0.0, "max_per_hour": 3600}
UPRIGHT = View()
NOON = 1_795_348_800.25  # 2026-11-22T12:00:00.250Z


def frame(number: int, at_s: float = 0.0, seed: int | None = None) -> Frame:
    """Return a frame that differs from those of other seeds."""
    patches = np.random.default_rng(number if seed is None else seed).integers(0, 255, (6, 8, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC))
    return Frame(pixels, NOON + at_s, 100.0 + at_s, number)


def alike(number: int, at_s: float, seed: int) -> Frame:
    """Return a frame of one scene, of which a part changed: neither a duplicate nor novel for seeds up to 4."""
    patches = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    random = np.random.default_rng(seed)
    for _ in range(4):
        patches[random.integers(6), random.integers(8)] = random.integers(0, 255, 3)
    pixels = np.asarray(Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC))
    return Frame(pixels, NOON + at_s, 100.0 + at_s, number)


class Run:
    """A collector that receives frames; `kept` stops it and returns what it wrote."""

    def __init__(self, folder, view=UPRIGHT, **settings):
        self.folder = folder
        self.collector = Collector(CollectSettings(enabled=True, **{**ONLY, **settings}), folder, view)
        self.collector.set_enabled(True)

    def offer(self, frame, *scores, events=(), threshold=0.5):
        """Offer one frame, and wait until the collector has taken it from the queue."""
        scores = np.array((*scores, 0.0, 0.0, 0.0)[:3], np.float32)
        self.collector.offer(frame, LABELS, scores, events, MODEL, threshold=threshold)
        wait_until(lambda: not self.collector.stats()["waiting"], "the frame is taken")

    @property
    def stats(self):
        return self.collector.stats()

    @property
    def kept(self):
        """Return the numbers of the kept frames, oldest first."""
        self.collector.stop(10)
        return [int(path.stem.rpartition("-")[2]) for path in sorted(self.folder.glob("2*.jpg"))]


@pytest.fixture
def logged(caplog):
    """Return the log lines of the collector as (level, message)."""
    caplog.set_level(logging.INFO, "appliance.collection")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "collected"


def test_score_in_range_is_kept_and_others_are_not(folder):
    run = Run(folder, score_min=0.3, score_max=0.7)
    for number, score in enumerate([0.29, 0.31, 0.5, 0.69, 0.71, 0.99]):
        run.offer(frame(number, at_s=number), 0.01, score, 0.0)
    assert run.kept == [1, 2, 3]


def test_two_close_labels_are_kept_unless_all_scores_are_low(folder):
    run = Run(folder, margin_max=0.1, score_min=0.3)
    run.offer(frame(1, 1), 0.45, 0.5, 0.0)
    run.offer(frame(2, 2), 0.2, 0.5, 0.0)
    run.offer(frame(3, 3), 0.01, 0.02, 0.01)
    assert run.kept == [1]


def test_frame_that_starts_a_label_is_kept(folder):
    run = Run(folder, on_start=True)
    run.offer(frame(1, 1), 0.0, 0.9, 0.0)
    run.offer(frame(2, 2), 0.0, 0.9, 0.0, events=STARTED)
    run.offer(frame(3, 3), 0.0, 0.1, 0.0, events=[Event("e1", "ended", "roses", 0.1, 0.9, 0.0, 3.0)])
    assert run.kept == [2]


def test_one_frame_per_interval_is_kept(folder):
    run = Run(folder, every_s=60.0)
    for number in range(130):
        run.offer(alike(number, number, number // 60))
    assert run.kept == [0, 60, 120]


def test_silent_model_keeps_what_is_unlike_everything_kept(folder):
    run = Run(folder, every_s=600.0)
    for number in range(100):
        run.offer(frame(number, number, seed=number // 25))  # another scene every 25 s, each with the scores 0
    assert run.kept == [0, 26, 51, 76]  # one frame in 5 s is compared
    assert json.loads(next(folder.glob("*-51.json")).read_text())["reason"] == "novel"


def test_range_of_unsure_scores_follows_the_threshold(folder):
    run = Run(folder, score_max=None)
    for number, score in enumerate((0.02, 0.3, 0.5, 0.9)):
        run.offer(frame(number, number), score, threshold=0.9)
    assert run.kept == [2, 3]


def test_unreported_labels_are_ignored(folder):
    run = Run(folder, score_max=0.7)
    run.offer(frame(1, 1), -np.inf, 0.1, -np.inf)
    run.offer(frame(2, 2), -np.inf, 0.5, -np.inf)
    assert run.kept == [2]
    (example,) = open_dataset(folder).unlabeled
    assert example.prediction.label == "roses"
    assert len(json.loads(next(folder.glob("*.json")).read_text())["labels"]) == 1


def test_sidecar_has_predictions_and_dataset_reads_it(folder):
    run = Run(folder, score_max=0.7)
    run.offer(frame(7), 0.1, 0.5, 0.2)
    assert run.kept == [7]
    (picture,) = folder.glob("*.jpg")
    assert picture.name == "20261122-120000-250-7.jpg"
    assert json.loads(picture.with_suffix(".json").read_text()) == {
        "picture": picture.name,
        "time": "2026-11-22T12:00:00.250Z",
        "reason": "unsure",
        "labels": [
            {"label": "roses", "score": 0.5},
            {"label": "tulips", "score": 0.2},
            {"label": "daisy", "score": 0.1},
        ],
        "model": {"name": "flowers", "version": "1.2.0", "sha256": "ab" * 32},
    }
    (example,) = open_dataset(folder).unlabeled
    assert example.prediction == DevicePrediction("roses", 0.5, "flowers 1.2.0", "unsure")
    assert (
        picture.stat().st_mode & 0o007 == 0 and folder.stat().st_mode & 0o007 == 0
    )  # pictures of a camera are private


def test_picture_is_the_upright_region(folder):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:60, :80] = (255, 0, 0)
    run = Run(folder, View(rotation=90, region=(0.5, 0.0, 0.5, 0.5)), score_max=0.7)
    run.offer(Frame(pixels, NOON, 1.0, 1), 0.5)
    assert run.kept == [1]
    (picture,) = folder.glob("*.jpg")
    kept = read_picture(picture)
    assert kept.shape == (80, 60, 3)
    assert kept[40, 30, 0] > 200 and kept[:, :, 2].max() < 80


SIZES = [(1280, 720), (640, 480), (1920, 1080), (321, 243), (448, 252)]
REGIONS = [
    None,
    (1 / 3, 1 / 3, 1 / 3, 1 / 3),
    (0.1, 0.2, 0.7, 0.55),
    (0.25, 0.25, 0.5, 0.5),
    (0.333, 0.0, 0.334, 1.0),
    (0.9, 0.9, 0.1, 0.1),
]
TURNS = [(0, False, False), (90, True, False), (180, False, False), (270, False, True)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("region", REGIONS)
def test_picture_is_exactly_what_the_model_saw(folder, size, region):
    width, height = size
    y, x = np.indices((height, width))
    pixels = np.stack([x % 256, y % 256, 40 * (x // 256) + 20 * (y // 256)], axis=2).astype(np.uint8)
    for rotation, hflip, vflip in TURNS:
        view = View(rotation, hflip, vflip, region)
        collected = crop(pixels, view)
        seen = Preprocessor(view, make_form(collected.shape[1::-1])).prepare(pixels)[0]  # not resized
        assert np.array_equal(collected, seen)
    run = Run(folder, view, score_max=0.7)
    run.offer(Frame(pixels, NOON, 1.0, 1), 0.5)
    assert run.kept == [1]
    kept = read_picture(next(folder.glob("*.jpg")))
    assert kept.shape == seen.shape
    assert np.abs(kept.astype(int) - seen).mean() < 8  # JPEG


def test_similar_pictures_are_not_kept_again(folder):
    run = Run(folder, score_max=0.7)
    for number in range(5):
        run.offer(frame(number, at_s=number, seed=1), 0.5)
    run.offer(frame(5, at_s=5, seed=2), 0.5)
    assert run.kept == [0, 5]
    assert run.collector.stats()["duplicates"] == 4


def test_restart_does_not_collect_the_same_scene_again(folder):
    run = Run(folder, score_max=0.7)
    run.offer(frame(1, seed=1), 0.5)
    assert run.kept == [1]
    again = Run(folder, score_max=0.7)
    again.offer(frame(2, at_s=99, seed=1), 0.5)
    again.offer(frame(3, at_s=199, seed=3), 0.5)
    assert again.kept == [1, 3]
    assert again.collector.stats()["pictures"] == 2


def test_max_per_hour_is_spread_over_the_hour(folder):
    run = Run(folder, score_max=0.7, max_per_hour=4)
    for number in range(0, 7200, 60):
        run.offer(frame(number, at_s=number), 0.5)
    kept = run.kept
    assert kept == [0, 900, 1800, 2700, 3600, 4500, 5400, 6300]


def test_duplicates_do_not_use_up_the_hour(folder):
    run = Run(folder, on_start=True, max_per_hour=2)
    for number in range(10):
        run.offer(frame(number, at_s=number, seed=1), events=STARTED)
        wait_until(lambda n=number: run.stats["duplicates"] == n and run.stats["kept"], "the copy is compared")
    for number in (10, 11, 12):
        run.offer(frame(number, at_s=number), events=STARTED)
    assert run.kept == [0, 10]


def test_still_scene_does_not_take_the_turns_of_new_pictures(folder):
    """For 12 minutes, a scene of which the model is unsure; every 90 seconds, something else for 4 seconds."""
    run = Run(folder, score_max=0.7, max_per_hour=60)
    for number in range(0, 720, 2):
        is_new = number % 90 >= 86
        run.offer(frame(number, at_s=number, seed=number // 90 if is_new else 9999), 0.5)
    assert run.kept == [0, *range(86, 720, 90)]
    assert run.stats["missed"] == 0


def test_pictures_beyond_the_budget_are_counted_once_each(folder):
    run = Run(folder, score_max=0.7, max_per_hour=2)
    for number in range(50):
        run.offer(frame(number, at_s=number, seed=number // 10), 0.5)
    assert run.kept == [0]
    assert (run.stats["kept"], run.stats["missed"], run.stats["duplicates"]) == (1, 4, 9)


def test_starts_of_labels_have_a_budget_of_their_own(folder):
    run = Run(folder, on_start=True, score_max=0.7, max_per_hour=2)
    for number in range(4):
        run.offer(frame(number, at_s=number), 0.5)
    for number in range(10, 14):
        run.offer(frame(number, at_s=number), 0.9, events=STARTED)
    run.offer(frame(20, at_s=1800), 0.5)
    assert run.kept == [0, 10, 11, 20]


def test_still_scene_does_not_use_up_the_interval(folder):
    run = Run(folder, every_s=600.0)
    for number in range(1500):
        seeds = {0: 0, 700: 2, 701: 3}
        run.offer(alike(number, number, 4 if number > 1310 else seeds.get(number, 1)))
    assert run.kept == [0, 600, 1320]


def test_settings_that_are_reloaded_apply_at_once(folder, tmp_path):
    run = Run(folder, score_max=0.7, max_per_hour=1)
    run.offer(frame(1, at_s=1), 0.5)
    run.offer(frame(2, at_s=2), 0.5)
    settings = CollectSettings(**{**ONLY, "score_min": 0.8, "score_max": 0.9, "max_per_hour": 3600})
    run.collector.use(settings, tmp_path / "other", View(region=(0.0, 0.0, 0.5, 0.5)))
    run.offer(frame(3, at_s=3), 0.5)
    run.offer(frame(4, at_s=4), 0.85)
    run.offer(frame(5, at_s=5), 0.85)
    assert run.kept == [1]
    pictures = sorted((tmp_path / "other").glob("*.jpg"))
    assert [int(path.stem.rpartition("-")[2]) for path in pictures] == [4, 5]
    assert read_picture(pictures[0]).shape == (60, 80, 3)


def test_lower_limit_of_the_folder_acts_without_a_new_frame(folder):
    run = Run(folder, score_max=0.7)
    noise = np.random.default_rng(0)
    for number in range(6):
        pixels = noise.integers(0, 255, (480, 480, 3), np.uint8)
        pixels[:, : 70 * number] = 255
        run.offer(Frame(pixels, NOON + number, float(number), number), 0.5)
    wait_until(lambda: run.stats["pictures"] == 6, "six pictures")
    max_bytes = run.stats["bytes"] // 2
    run.collector.use(CollectSettings(max_bytes=max_bytes), folder, UPRIGHT)
    wait_until(lambda: run.stats["bytes"] <= max_bytes, "the folder is smaller")
    assert 1 <= run.stats["pictures"] < 6
    run.collector.stop(5)
    again = Run(folder, score_max=0.7, max_bytes=max_bytes)
    wait_until(lambda: again.stats["pictures"] == run.stats["pictures"], "the folder is read at the start")
    assert again.kept


def test_shared_folder_is_used_by_one_daemon_only(folder, logged):
    first = Run(folder, score_max=0.7)
    first.offer(frame(1), 0.5)
    wait_until(lambda: first.stats["kept"], "the first picture")
    second = Run(folder, score_max=0.7)
    second.offer(frame(2), 0.5)
    wait_until(lambda: second.stats["trouble"], "the second one is refused")
    assert "another daemon collects frames in it; give each device a collect.dir of its own" in second.stats["trouble"]
    assert first.kept == [1]
    second.offer(frame(3, at_s=60), 0.5)
    assert second.kept == [1, 3]
    assert second.stats["trouble"] is None


def test_folder_of_another_daemon_loses_nothing_by_a_reload(folder, tmp_path):
    first = Run(folder, score_max=0.7)
    first.offer(frame(1), 0.5)
    wait_until(lambda: first.stats["kept"], "the first picture")
    second = Run(tmp_path / "own", score_max=0.7)
    for _ in range(2):  # a change of the folder, and of its limit
        second.collector.use(CollectSettings(max_bytes=1), folder, UPRIGHT)
        wait_until(lambda: second.stats["trouble"] and not second.stats["waiting"], "the second one is refused")
    second.collector.stop(5)
    assert first.kept == [1]


def test_started_label_ignores_the_gap(folder):
    run = Run(folder, on_start=True, score_max=0.7, max_per_hour=3)
    for number in range(5):
        run.offer(frame(number, at_s=number), 0.5, events=STARTED)
    assert run.kept == [0, 1, 2]


def test_oldest_pairs_are_removed_and_nothing_else(folder):
    folder.mkdir()
    mine = [folder / "mine.jpg", folder / "roses" / "20261122-120000-250-1.jpg"]
    mine[1].parent.mkdir()
    for path in mine:
        path.write_bytes(bytes(2_000_000))
    noise = np.random.default_rng(0)
    run = Run(folder, score_max=0.7, max_bytes=1_000_000)
    for number in range(12):
        pixels = noise.integers(0, 255, (480, 480, 3), np.uint8)
        pixels[:, : 40 * number] = 255  # otherwise reduced noise resembles other noise
        run.offer(Frame(pixels, NOON + number, float(number), number), 0.5)
    kept = run.kept
    assert 2 <= len(kept) < 12 and kept == list(range(12))[-len(kept) :]
    stats = run.collector.stats()
    assert stats["bytes"] <= 1_000_000
    assert stats["pictures"] == len(list(folder.glob("2*.jpg"))) == len(list(folder.glob("2*.json")))
    assert all(path.exists() for path in mine)


def test_labeling_never_waits_and_drops_are_counted(folder, monkeypatch):
    disk = threading.Event()

    def read_from_a_disk_that_hangs(_, count):
        assert disk.wait(30), f"{count} pictures are read"
        return iter(())

    monkeypatch.setattr(CollectedFolder, "read_newest", read_from_a_disk_that_hangs)
    run = Run(folder, score_max=0.7)
    done = threading.Event()

    def label():
        for number in range(20):
            run.collector.offer(frame(number, at_s=number), LABELS, np.array([0.5, 0, 0], np.float32), (), MODEL)
        done.set()

    threading.Thread(target=label, daemon=True).start()
    assert done.wait(5), "offering a frame waits for the disk"
    assert run.collector.stats()["dropped"] >= 15 - 1
    run.collector.stop(0.2)  # returns although the disk does not respond
    disk.set()  # now the collector continues, and its thread ends
    assert run.kept


def test_unwritable_folder_is_logged_once_and_so_is_recovery(folder, logged):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    run = Run(folder, score_max=0.7)
    for number in range(3):
        run.offer(frame(number, at_s=number), 0.5)
    wait_until(lambda: run.collector.stats()["trouble"], "the error is reported")
    assert "frames cannot be collected in" in run.collector.stats()["trouble"]
    folder.unlink()
    run.offer(frame(9, at_s=9), 0.5)
    assert 9 in run.kept
    assert run.collector.stats()["trouble"] is None
    warnings = [message for level, message in logged() if level == "WARNING"]
    assert len(warnings) == 1 and "File exists; labeling continues" in warnings[0]
    assert logged().count(("INFO", "collecting again")) == 1


def test_start_logs_the_rules(folder, logged):
    Run(folder, score_max=0.7, on_start=True, max_per_hour=60).collector.stop(5)
    rules = "best score from half of the threshold to 0.7, start of a label; at most 60 per hour and 500 MB"
    assert rules in logged()[0][1]


def test_collector_that_is_turned_off_keeps_nothing(folder):
    run = Run(folder, on_start=False, every_s=1)
    run.offer(frame(1))
    run.collector.set_enabled(False)
    run.offer(frame(2, 10))
    run.collector.set_enabled(True)
    run.offer(frame(3, 20))
    assert run.kept == [1, 3]
