"""Files that are replaced as a whole."""

import os
from pathlib import Path

import pytest

from appliance.system.atomic_files import open_replacement, rename_durably, sync_tree, write_atomically, write_durably


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [True, False])
def test_content_and_mode_are_replaced(tmp_path, durable):
    write_durably(tmp_path / "f", b"old")
    write_atomically(tmp_path / "f", b"new", 0o600, durable=durable)
    assert (tmp_path / "f").read_bytes() == b"new"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["f"]


def test_block_that_raises_leaves_the_old_content_alone(tmp_path):
    write_durably(tmp_path / "f", b"old")
    with pytest.raises(KeyError), open_replacement(tmp_path / "f") as file:
        file.write(b"new")
        raise KeyError
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_new_content_can_be_checked_before_it_counts(tmp_path):
    with open_replacement(tmp_path / "f.zip", suffix=".zip") as file:
        file.write(b"new")
        file.flush()
        assert file.name.endswith(".zip")
        assert not (tmp_path / "f.zip").exists()
        assert Path(file.name).read_bytes() == b"new"
    assert (tmp_path / "f.zip").read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
@pytest.mark.parametrize(("owner", "expected"), [(None, (1001, 1002)), ((0, 0), (0, 0)), ((1003, 1004), (1003, 1004))])
def test_file_belongs_to_the_folders_owner_or_the_given_one(open_folder, owner, expected):
    os.chown(open_folder, 1001, 1002)
    with open_replacement(open_folder / "f", owner=owner) as file:
        file.write(b"new")
    assert ((open_folder / "f").stat().st_uid, (open_folder / "f").stat().st_gid) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
def test_root_does_not_follow_a_link_of_the_folders_owner(open_folder):
    victim, state = open_folder / "victim", open_folder / "state"
    victim.mkdir()
    state.mkdir()
    (victim / "f").write_bytes(b"root's")
    os.chown(state, 1001, 1002)
    (state / "link").symlink_to(victim)
    os.chown(state / "link", 1001, 1002, follow_symlinks=False)
    with pytest.raises(PermissionError):
        write_durably(state / "link" / "f", b"new")
    assert (victim / "f").read_bytes() == b"root's" and names(victim) == ["f"]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "none" / "f", b"x")


def test_tree_is_renamed_as_a_whole(tmp_path):
    (tmp_path / "a" / "below").mkdir(parents=True)
    (tmp_path / "a" / "below" / "f").write_bytes(b"x")
    (tmp_path / "a" / "link").symlink_to("below")
    (tmp_path / "other").mkdir()
    sync_tree(tmp_path / "a")
    rename_durably(tmp_path / "a", tmp_path / "other" / "b")
    assert (tmp_path / "other" / "b" / "below" / "f").read_bytes() == b"x"
    assert names(tmp_path) == ["other"]


def test_folder_in_the_files_place_is_left_alone(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError, match=r"directory"):
        write_durably(tmp_path / "f", b"new")
    assert names(tmp_path) == ["f"]
