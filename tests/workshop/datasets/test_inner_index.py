"""Indexes inside a folder."""

from appliance.workshop.datasets.open import open_dataset
from support.datasets import list_messages, make_picture, write_folder


def test_missing_and_unlisted_pictures_are_named(tmp_path):
    files = {f"train/{n}.jpg": make_picture(n) for n in range(3)}
    rows = "filename, cat, dog\n0.jpg, 1, 0\n1.jpg, 0, 1\nlost.jpg, 0, 1\n"
    dataset = open_dataset(write_folder(tmp_path, files | {"train/_classes.csv": rows.encode()}))
    assert [(example.name, example.label) for example in dataset.examples] == [
        ("train/0.jpg", "cat"), ("train/1.jpg", "dog"),
    ]  # fmt: skip
    assert [example.name for example in dataset.unlabeled] == ["train/2.jpg"]
    assert list_messages(dataset, "unreadable") == ["row 4 of train/_classes.csv: lost.jpg does not exist"]


def test_picture_may_have_two_classes(tmp_path):
    files = {"train/0.jpg": make_picture(0), "train/1.jpg": make_picture(1)}
    rows = "filename, cat, dog\n0.jpg, 1, 1\n1.jpg, 0, 1\n"
    dataset = open_dataset(write_folder(tmp_path, files | {"train/_classes.csv": rows.encode()}))
    assert [example.labels for example in dataset.examples] == [("cat", "dog"), ("dog",)]
