"""The same files in two datasets."""

from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.training.shared_files import count_shared_files
from support.datasets import make_picture, write_folder


def test_copies_count_and_unreadable_files_do_not(tmp_path):
    one = open_dataset(write_folder(tmp_path / "one", {"a/1.jpg": make_picture(1), "b/2.jpg": make_picture(2)}))
    files = {"c/9.jpg": make_picture(1), "c/8.jpg": make_picture(3), "c/7.jpg": make_picture(2)}
    other = open_dataset(write_folder(tmp_path / "other", files))
    assert count_shared_files(one.examples, other.examples) == 2
    (tmp_path / "other" / "c" / "7.jpg").unlink()
    assert count_shared_files(one.examples, other.examples) == 1
