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


LABELS = ("cat", "cat", "dog", "dog")


def write_with_index(folder, index, cells):
    names = [f"{label}/{n}.jpg" for n, label in enumerate(LABELS)]
    rows = "path,label,split\n" + "".join(f"{name},{cell}\n" for name, cell in zip(names, cells, strict=True))
    files = {name: make_picture(n) for n, name in enumerate(names)}
    return open_dataset(write_folder(folder, files | {index: rows.encode()}))


def test_splits_of_an_index_beside_folders_of_labels_are_used(tmp_path):
    dataset = write_with_index(tmp_path, "meta.csv", ["cat,train", "cat,test", "dog,train", "dog,test"])
    assert [(each.label, each.split) for each in dataset.examples] == [
        ("cat", "train"), ("cat", "test"), ("dog", "train"), ("dog", "test"),
    ]  # fmt: skip
    assert list_messages(dataset, "unused") == ["only the splits of meta.csv are used; the labels are the folders"]
    assert not list_messages(dataset, "passed_over")


def test_index_that_contradicts_the_folders_is_named(tmp_path):
    crossing = write_with_index(tmp_path / "1", "meta.csv", ["a,", "b,", "a,", "b,"])
    assert "meta.csv gives other labels than the folders (cat has a, b)" in list_messages(crossing, "misread")[0]
    finer = write_with_index(tmp_path / "2", "meta.csv", ["a,", "b,", "c,", "d,"])
    assert finer.labels == ("cat", "dog") and "the folders are used" in list_messages(finer, "unused")[0]


def test_metadata_of_hugging_face_is_read(tmp_path):
    files = {f"train/{n}.jpg": make_picture(n) for n in range(4)}
    rows = "".join(f'{{"file_name": "{n}.jpg", "label": "{label}"}}\n' for n, label in enumerate(LABELS))
    dataset = open_dataset(write_folder(tmp_path, files | {"train/metadata.jsonl": rows.encode()}))
    assert [(each.label, each.split) for each in dataset.examples] == [(label, "train") for label in LABELS]
