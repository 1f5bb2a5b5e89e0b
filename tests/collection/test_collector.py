"""Collecting frames: which are kept, how many, and what happens when the disk does not want them."""

import json
import logging
import os
import resource
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
from appliance.labeling.tracker import Event
from appliance.settings.schema import CollectSettings
from appliance.workshop.datasets.dataset import DevicePrediction
from appliance.workshop.datasets.open import open_dataset
from support.broker import wait_until

MODEL = ModelIdentity("flowers", "1.2.0", "ab" * 32)
LABELS = ("daisy", "roses", "tulips")
STARTED = [Event("e1", "started", "roses", 0.9, 0.9, 0.0)]
ONLY = {"score_max": 0.0, "margin_max": 0.0, "on_start": False, "every_s": 0.0, "max_per_hour": 3600}
NOON = 1_795_348_800.25  # 2026-11-22T12:00:00.250Z


def frame(number: int, at_s: float = 0.0, seed: int | None = None) -> Frame:
    """A frame like no other seed's."""
    patches = np.random.default_rng(number if seed is None else seed).integers(0, 255, (6, 8, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC))
    return Frame(pixels, NOON + at_s, 100.0 + at_s, number)


class Run:
    """A collector that is given frames; `kept` ends it and tells what it wrote."""

    def __init__(self, folder, view=View(), **settings):
        self.folder = folder
        self.collector = Collector(CollectSettings(enabled=True, **{**ONLY, **settings}), folder, view)
        self.collector.start()

    def see(self, frame, *scores, events=()):
        """One frame, and waits until the collector has taken it up."""
        self.collector.offer(frame, LABELS, np.array(scores or (0.0, 0.0, 0.0), np.float32), events, MODEL)
        wait_until(lambda: not self.collector.stats()["waiting"], "the frame is taken")

    @property
    def stats(self):
        return self.collector.stats()

    @property
    def kept(self):
        """Frame numbers, by age."""
        self.collector.stop(10)
        return [int(path.stem.rpartition("-")[2]) for path in sorted(self.folder.glob("2*.jpg"))]


@pytest.fixture
def said():
    """What the collector says in the log, as (level, sentence)."""
    sentences = []
    handler = logging.Handler()
    handler.emit = lambda record: sentences.append((record.levelname, record.getMessage()))
    logger = logging.getLogger("appliance.collection.collector")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield sentences
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "collected"


def test_a_score_in_the_band_is_kept_and_others_are_not(folder):
    run = Run(folder, score_min=0.3, score_max=0.7)
    for number, score in enumerate([0.29, 0.31, 0.5, 0.69, 0.71, 0.99]):
        run.see(frame(number, at_s=number), 0.01, score, 0.0)
    assert run.kept == [1, 2, 3]


def test_two_close_labels_are_kept_unless_nothing_is_seen_at_all(folder):
    run = Run(folder, margin_max=0.1, score_min=0.3)
    run.see(frame(1, 1), 0.45, 0.5, 0.0)
    run.see(frame(2, 2), 0.2, 0.5, 0.0)
    run.see(frame(3, 3), 0.01, 0.02, 0.01)
    assert run.kept == [1]


def test_the_frame_that_starts_a_label_is_kept(folder):
    run = Run(folder, on_start=True)
    run.see(frame(1, 1), 0.0, 0.9, 0.0)
    run.see(frame(2, 2), 0.0, 0.9, 0.0, events=STARTED)
    run.see(frame(3, 3), 0.0, 0.1, 0.0, events=[Event("e1", "ended", "roses", 0.1, 0.9, 0.0, 3.0)])
    assert run.kept == [2]


def test_one_so_often_is_kept_whatever_it_shows(folder):
    run = Run(folder, every_s=60.0)
    for number in range(130):
        run.see(frame(number, at_s=number))
    assert run.kept == [0, 60, 120]


def test_a_label_that_is_not_reported_counts_for_nothing(folder):
    run = Run(folder, score_max=0.7)
    run.see(frame(1, 1), -np.inf, 0.1, -np.inf)
    run.see(frame(2, 2), -np.inf, 0.5, -np.inf)
    assert run.kept == [2]
    (example,) = open_dataset(folder).unlabeled
    assert example.guess.label == "roses"
    assert len(json.loads(next(folder.glob("*.json")).read_text())["labels"]) == 1


def test_the_guess_lies_beside_and_dataset_reads_it(folder):
    run = Run(folder, score_max=0.7)
    run.see(frame(7), 0.1, 0.5, 0.2)
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
    assert example.guess == DevicePrediction("roses", 0.5, "flowers 1.2.0", "unsure")
    assert (
        picture.stat().st_mode & 0o007 == 0 and folder.stat().st_mode & 0o007 == 0
    )  # what a camera saw is not for everybody


def test_the_picture_is_what_the_model_looked_at(folder):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:60, :80] = (255, 0, 0)
    run = Run(folder, View(rotation=90, region=(0.5, 0.0, 0.5, 0.5)), score_max=0.7)
    run.see(Frame(pixels, NOON, 1.0, 1), 0.5)
    assert run.kept == [1]
    (picture,) = folder.glob("*.jpg")
    kept = read_picture(picture)
    assert kept.shape == (80, 60, 3)
    assert kept[40, 30, 0] > 200 and kept[:, :, 2].max() < 80


def test_what_looks_like_one_of_the_last_is_not_kept_again(folder):
    run = Run(folder, score_max=0.7)
    for number in range(5):
        run.see(frame(number, at_s=number, seed=1), 0.5)
    run.see(frame(5, at_s=5, seed=2), 0.5)
    assert run.kept == [0, 5]
    assert run.collector.stats()["duplicates"] == 4


def test_a_restart_does_not_collect_the_same_scene_again(folder):
    run = Run(folder, score_max=0.7)
    run.see(frame(1, seed=1), 0.5)
    assert run.kept == [1]
    again = Run(folder, score_max=0.7)
    again.see(frame(2, at_s=99, seed=1), 0.5)
    again.see(frame(3, at_s=199, seed=3), 0.5)
    assert again.kept == [1, 3]
    assert again.collector.stats()["pictures"] == 2


def test_no_more_an_hour_than_allowed_and_spread_over_it(folder):
    run = Run(folder, score_max=0.7, max_per_hour=4)
    for number in range(0, 7200, 60):
        run.see(frame(number, at_s=number), 0.5)
    kept = run.kept
    assert kept == [0, 900, 1800, 2700, 3600, 4500, 5400, 6300]


def test_copies_do_not_use_up_the_hour(folder):
    run = Run(folder, on_start=True, max_per_hour=2)
    for number in range(10):
        run.see(frame(number, at_s=number, seed=1), events=STARTED)
        wait_until(lambda n=number: run.stats["duplicates"] == n and run.stats["kept"], "the copy is compared")
    for number in (10, 11, 12):
        run.see(frame(number, at_s=number), events=STARTED)
    assert run.kept == [0, 10]


def test_a_start_need_not_wait_for_its_turn(folder):
    run = Run(folder, on_start=True, score_max=0.7, max_per_hour=3)
    for number in range(5):
        run.see(frame(number, at_s=number), 0.5, events=STARTED)
    assert run.kept == [0, 1, 2]


def test_the_oldest_go_first_and_nothing_else_is_touched(folder):
    folder.mkdir()
    mine = [folder / "mine.jpg", folder / "roses" / "20261122-120000-250-1.jpg"]
    mine[1].parent.mkdir()
    for path in mine:
        path.write_bytes(bytes(2_000_000))
    noise = np.random.default_rng(0)
    run = Run(folder, score_max=0.7, max_bytes=1_000_000)
    for number in range(12):
        pixels = noise.integers(0, 255, (480, 480, 3), np.uint8)
        pixels[:, : 40 * number] = 255  # otherwise noise is like noise when it is small
        run.see(Frame(pixels, NOON + number, float(number), number), 0.5)
    kept = run.kept
    assert 2 <= len(kept) < 12 and kept == list(range(12))[-len(kept) :]
    stats = run.collector.stats()
    assert stats["bytes"] <= 1_000_000
    assert stats["pictures"] == len(list(folder.glob("2*.jpg"))) == len(list(folder.glob("2*.json")))
    assert all(path.exists() for path in mine)


def test_labeling_never_waits_and_drops_are_counted(folder, tmp_path):
    """A disk that hangs: the first thing written goes into a pipe that nobody reads."""
    folder.mkdir()
    os.mkfifo(folder / ".20261122-120000-250-0.json")
    run = Run(folder, score_max=0.7)
    done = threading.Event()

    def label():
        for number in range(20):
            run.collector.offer(frame(number, at_s=number), LABELS, np.array([0.5, 0, 0], np.float32), (), MODEL)
        done.set()

    threading.Thread(target=label, daemon=True).start()
    assert done.wait(5), "offering a frame waits for the disk"
    assert run.collector.stats()["dropped"] >= 15 - 1
    run.collector.stop(0.2)  # comes back although the disk does not
    with open(folder / ".20261122-120000-250-0.json", "rb") as pipe:
        pipe.read()


def test_a_folder_that_cannot_be_written_is_said_once_and_again_when_it_works(folder, said):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    run = Run(folder, score_max=0.7)
    for number in range(3):
        run.see(frame(number, at_s=number), 0.5)
    wait_until(lambda: run.collector.stats()["trouble"], "the trouble is told")
    assert "frames cannot be collected in" in run.collector.stats()["trouble"]
    folder.unlink()
    run.see(frame(9, at_s=9), 0.5)
    assert 9 in run.kept
    assert run.collector.stats()["trouble"] is None
    warnings = [sentence for level, sentence in said if level == "WARNING"]
    assert len(warnings) == 1 and "File exists; labeling goes on" in warnings[0]
    assert said.count(("INFO", "collecting again")) == 1


def test_room_is_left_for_others_on_the_disk(folder):
    collected = CollectedFolder(folder, 1_000_000, kept_free_bytes=1 << 60)
    with pytest.raises(OSError, match="MB are free on its disk"):
        collected.add(NOON, 1, b"picture", {})
    assert not list(folder.iterdir())


def test_a_disk_that_is_full_half_way_leaves_no_half_of_a_pair(folder):
    """A limit on the size of files stands for the full disk: the guess fits, its picture does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    collected = CollectedFolder(folder, 1_000_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            collected.add(NOON, 1, bytes(5000), {"reason": "unsure"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(folder.iterdir()) and collected.pictures == 0
    collected.add(NOON, 2, bytes(5000), {"reason": "unsure"})
    assert collected.pictures == 1


def test_it_says_at_the_start_what_it_collects(folder, said):
    Run(folder, score_max=0.7, on_start=True, max_per_hour=60).collector.stop(5)
    assert "scores from 0.3 to 0.7, a label that starts; at most 60 an hour and 500 MB" in said[0][1]
