"""What the running model guesses for the pictures."""

import json

import numpy as np
import pytest

from appliance.teaching.guesses import Guess, GuessBook
from support.broker import wait_until
from support.teaching import collect, fill, make_store


class Labeler:
    labels = ("cup", "mug")

    def __init__(self):
        self.count = 0

    def score(self, pixels):
        self.count += 1
        return np.array([0.25, 0.75], np.float32)


@pytest.fixture
def labeler():
    return Labeler()


def make_book(tmp_path, labeler, key="model-1", on_change=lambda: None):
    return GuessBook(tmp_path / "teaching", lambda: key, lambda: labeler, on_change)


def complete(book, pictures):
    wait_until(lambda: not book.complete(pictures), "guesses")
    book._thread.join(10)


def test_missing_guesses_are_made_and_kept_across_a_restart(tmp_path, labeler):
    store = make_store(tmp_path)
    fill(store, "cup", 3)
    pictures = list(store.listing().pictures.values())
    told = []
    book = make_book(tmp_path, labeler, on_change=lambda: told.append(1))
    complete(book, pictures)
    assert {book.get(picture.id) for picture in pictures} == {Guess("mug", 0.75)} and told
    assert make_book(tmp_path, labeler).get(pictures[0].id) == Guess("mug", 0.75)
    assert labeler.count == 3 and not book.complete(pictures)


def test_another_model_guesses_again(tmp_path, labeler):
    book = make_book(tmp_path, labeler)
    book.put("a", ("cup", 0.5))
    book.save()
    assert make_book(tmp_path, labeler).get("a") and make_book(tmp_path, labeler, "model-2").get("a") is None


def test_sidecar_of_the_running_model_is_used(tmp_path, labeler):
    content = {"labels": [{"label": "cup", "score": 0.4}], "model": {"sha256": "model-1"}}
    picture_id = collect(tmp_path, sidecar=json.dumps(content))
    pictures = list(make_store(tmp_path).listing().pictures.values())
    book = make_book(tmp_path, labeler)
    complete(book, pictures)
    assert book.get(picture_id) == Guess("cup", 0.4) and labeler.count == 0


@pytest.mark.parametrize("sidecar", ["", "{}", "[]", '{"labels": [], "model": {"sha256": "model-1"}}', "{" * 9000])
def test_damaged_sidecar_is_ignored(tmp_path, labeler, sidecar):
    picture_id = collect(tmp_path, sidecar=sidecar)
    book = make_book(tmp_path, labeler)
    complete(book, list(make_store(tmp_path).listing().pictures.values()))
    assert book.get(picture_id) == Guess("mug", 0.75)


def test_damaged_picture_is_tried_once(tmp_path, labeler):
    store = make_store(tmp_path)
    (store.folder / "cup").mkdir(parents=True)
    (store.folder / "cup" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    book = make_book(tmp_path, labeler)
    complete(book, list(store.listing().pictures.values()))
    assert labeler.count == 0


def test_stopped_book_starts_no_pass(tmp_path, labeler):
    store = make_store(tmp_path)
    fill(store, "cup", 1)
    book = make_book(tmp_path, labeler)
    book.stop()
    assert book.complete(store.listing().pictures.values()) and book._thread is None
