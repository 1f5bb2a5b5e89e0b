"""Valid names for labels, and renaming."""

import pytest

from appliance.errors import UsageError
from appliance.system.names import is_label_name
from appliance.workshop.datasets.label_names import parse_renames, propose_names, rename_labels
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_files, write_folder


def test_proposed_names_are_valid_and_keep_labels_apart():
    labels = ["hot dog", "hot-dog", "Hot_Dog", "Müll & Co", "猫", "犬", "!!", "x" * 40, "x" * 41, "ok"]
    proposed = propose_names(labels)
    assert set(proposed) == set(labels) - {"Hot_Dog", "ok"}
    assert all(map(is_label_name, proposed.values()))
    names = [*proposed.values(), "Hot_Dog", "ok"]
    assert len({name.lower() for name in names}) == len(labels)
    assert proposed["Müll & Co"] == "Mull_Co" and proposed["hot dog"] == "hot_dog_2"


def test_labels_are_renamed_and_joined(tmp_path):
    dataset = open_dataset(write_folder(tmp_path, make_files({"hot dog": 2, "frank-furter": 1, "cat": 1})))
    renamed = rename_labels(dataset, parse_renames(["hot dog=hot_dog", "frank-furter=hot_dog"]))
    assert renamed.labels == ("cat", "hot_dog") and not renamed.problems
    assert sorted(str(example.label) for example in renamed.examples) == ["cat", "hot_dog", "hot_dog", "hot_dog"]
    with pytest.raises(UsageError, match="there is no label 'dog'; the labels are cat"):
        rename_labels(dataset, {"dog": "x"})


@pytest.mark.parametrize("options", [["a"], ["=b"], ["a=b c"], ["a=b", "a=c"]])
def test_wrong_rename_is_wrong_usage(options):
    with pytest.raises(UsageError, match="--rename"):
        parse_renames(options)
