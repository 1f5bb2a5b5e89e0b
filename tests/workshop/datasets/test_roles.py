"""What training does with each label of a dataset."""

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.obstacles import require_trainable
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.roles import assign_roles, describe_left_out
from support.datasets import make_files, write_folder


def roles_of(folder, counts, **options):
    return assign_roles(open_dataset(write_folder(folder, make_files(counts))), **options)


def test_label_with_too_few_pictures_is_left_out_and_named(tmp_path):
    roles = roles_of(tmp_path, {"cup": 12, "bottle": 12, "spoon": 3})
    assert roles.dataset.labels == ("bottle", "cup")
    assert {example.label for example in roles.dataset.examples} == {"bottle", "cup"}
    assert "spoon (3)" in describe_left_out(roles.left_out)


def test_too_few_labels_left_are_an_obstacle(tmp_path):
    dataset = open_dataset(write_folder(tmp_path, make_files({"cup": 12, "spoon": 3})))
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of spoon \(3\)"):
        require_trainable(dataset)


def test_background_folder_is_no_label(tmp_path):
    roles = roles_of(tmp_path, {"cup": 12, "background": 12})
    assert roles.dataset.labels == ("cup",) and len(roles.background) == 12 and roles.least_labels == 1


def test_small_background_folder_is_left_out(tmp_path):
    roles = roles_of(tmp_path, {"cup": 12, "bottle": 12, "background": 2})
    assert roles.dataset.labels == ("bottle", "cup") and not roles.background
    assert dict(roles.left_out) == {"background": 2}


def test_background_folder_stays_a_label_beside_other_background(tmp_path):
    roles = roles_of(tmp_path, {"cup": 12, "background": 12}, has_background=True)
    assert roles.dataset.labels == ("background", "cup") and not roles.background
