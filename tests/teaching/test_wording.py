"""Targets in words, and errors of the file system as sentences."""

import pytest

from appliance.errors import TeachingError
from appliance.teaching.wording import Target, count_pictures, guard_folder


def test_targets_have_folders_and_words():
    assert (Target("cup").folder, Target(is_background=True).folder, Target().folder) == ("cup", "background", None)
    assert [Target("cup").words, Target().words] == ["as cup", "without a label"]
    assert [count_pictures(1), count_pictures(2)] == ["1 picture", "2 pictures"]


def test_error_of_the_file_system_is_a_sentence(tmp_path):
    with pytest.raises(TeachingError, match="No such file") as caught, guard_folder(tmp_path):
        (tmp_path / "missing").read_bytes()
    assert caught.value.status == 507 and str(tmp_path) not in str(caught.value)
