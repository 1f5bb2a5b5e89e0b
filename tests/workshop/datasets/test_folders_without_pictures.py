"""Folders beside those of the labels that have no pictures."""

import shutil
from pathlib import Path

import pytest

from appliance.workshop.datasets.open import open_dataset
from support.datasets import list_messages, make_files, write_folder


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("bird/1.mp4", "lost_label", "bird has only videos"),
        ("bird/1.txt", "no_pictures", "bird has only other files (1 .txt)"),
    ],
)
def test_folder_beside_the_labels_is_named(name, kind, message, tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", {**make_files({"a": 1, "b": 1}), name: b""}))
    assert message in list_messages(dataset, kind)[0]


@pytest.mark.parametrize("pack", [False, True])
def test_empty_folder_is_named(pack, tmp_path):
    files = {f"{split}/{name}": data for split in ("train", "test") for name, data in make_files({"a": 1}).items()}
    folder = write_folder(tmp_path / "set", files)
    (folder / "train" / "bird").mkdir()
    source = Path(shutil.make_archive(str(tmp_path / "set"), "zip", folder)) if pack else folder
    assert list_messages(open_dataset(source), "no_pictures") == ["train/bird has no files, so it is no label"]


def test_folders_elsewhere_are_not_labels(tmp_path):
    files = {f"pictures/{name}": content for name, content in make_files({"a": 1, "b": 1}).items()}
    dataset = open_dataset(write_folder(tmp_path / "set", {**files, "docs/1.txt": b"", "pictures/.git/x": b""}))
    assert not list_messages(dataset, "no_pictures")
