"""A mapped file has no name, and a disk that is too small is one sentence."""

import pytest

from appliance.errors import TrainingError
from appliance.workshop.training.mapped_file import map_nameless_file


def test_mapped_file_leaves_no_name(tmp_path):
    with map_nameless_file(5000, tmp_path, "rows-", "these rows need") as mapped:
        mapped[4999:5000] = b"x"
        assert len(mapped) == 5000 and mapped[:2] == b"\0\0"
        assert not list(tmp_path.iterdir())


def test_too_little_space_is_one_sentence(tmp_path):
    with pytest.raises(TrainingError, match=r"^these rows need \d+ MB in .*; free space there$"):
        map_nameless_file(10**18, tmp_path, "rows-", "these rows need")
