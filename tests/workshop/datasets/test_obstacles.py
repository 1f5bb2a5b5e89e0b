"""What prevents training; the table of forms tests the decision with check and train."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.duplicates import scan_pictures
from appliance.workshop.datasets.obstacles import find_obstacles, require_trainable
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_files, make_picture, make_split_files, write_folder


def find(folder):
    dataset = open_dataset(folder)
    return [obstacle.kind for obstacle in find_obstacles(dataset, scan_pictures(dataset.examples))]


def test_dataset_without_faults_has_no_obstacle(tmp_path):
    assert find(write_folder(tmp_path, make_files({"a": 10, "b": 10}))) == []


def test_several_obstacles_are_counted_in_the_sentence(tmp_path):
    folder = write_folder(tmp_path, make_files({"a b": 10, "b": 9}))
    assert find(folder) == ["wrong_name", "too_few"]
    with pytest.raises(DatasetError, match=r"invalid name: .*'a_b'.*\(1 more error: appliance dataset check\)"):
        require_trainable(open_dataset(folder))


def test_damaged_pictures_count_as_missing(tmp_path):
    folder = write_folder(tmp_path, make_files({"a": 10, "b": 10}))
    path = folder / "b" / "003.jpg"
    path.write_bytes(path.read_bytes()[:300])
    assert find(folder) == ["too_few"]


def test_same_picture_in_train_and_test_is_an_obstacle_and_in_validation_not(tmp_path):
    files = make_split_files({"a": 12, "b": 12}, "TRAIN", "TEST", "VALIDATION")
    folder = write_folder(tmp_path / "one", files | {"VALIDATION/a/x.jpg": files["TRAIN/a/000.jpg"]})
    assert find(folder) == []
    folder = write_folder(tmp_path / "two", files | {"TEST/a/x.jpg": files["TRAIN/a/000.jpg"]})
    assert find(folder) == ["train_and_test"]


@pytest.mark.parametrize(
    ("files", "kind", "remedy"),
    [
        (make_files({"a": 10}), "one_label", "; put the pictures into one folder per label"),
        ({"1.jpg": make_picture(1)}, "no_label", "; put the pictures into one folder per label"),
        (make_files({"a": 9, "b": 10}), "too_few", "; add more, or leave out the label"),
        (make_split_files({"a": 10, "b": 10}, "TEST"), "not_in_train", "; move some from the other splits to TRAIN"),
        (make_files({"a": 10, "b": 10}) | {"b/x.jpg": make_picture(0)}, "two_labels", "; remove it from all but one"),
    ],
)
def test_check_prints_the_remedy_of_each_obstacle(files, kind, remedy, tmp_path):
    dataset = open_dataset(write_folder(tmp_path, files))
    (obstacle,) = find_obstacles(dataset, scan_pictures(dataset.examples))
    assert obstacle.kind == kind and remedy in obstacle.message
