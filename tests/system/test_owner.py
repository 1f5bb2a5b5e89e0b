"""Whose rights root uses in a folder that belongs to another account."""

import os
import threading

import pytest

from appliance.system.owner import act_as_caller, act_as_owner, become_owner, find_other_owner

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")


@pytest.fixture
def folder(open_folder):
    """Return a folder of another account beside a file that only root can read."""
    (open_folder / "secret").write_text("root's")
    (open_folder / "secret").chmod(0o600)
    (open_folder / "own").mkdir()
    os.chown(open_folder / "own", NOBODY, 12345)
    return open_folder / "own"


def make_link(path, target, uid):
    path.symlink_to(target)
    os.chown(path, uid, uid, follow_symlinks=False)


def test_owner_of_a_folder_or_of_a_link_to_it(folder):
    other = folder.parent / "other"
    other.mkdir()
    assert find_other_owner(folder) == (NOBODY, 12345)
    assert find_other_owner(other) is None and find_other_owner(folder / "none") is None
    make_link(folder / "link", other, NOBODY)
    make_link(folder.parent / "roots", "own/../own/link", 0)
    assert find_other_owner(folder / "link") == find_other_owner(folder.parent / "roots") == (NOBODY, NOBODY)
    make_link(folder.parent / "loop", "loop", 0)
    assert find_other_owner(folder.parent / "loop") is None


def test_root_has_the_owners_rights_in_the_block_only(folder):
    secret = folder.parent / "secret"
    with act_as_owner(folder):
        (folder / "file").write_text("x")
        with pytest.raises(PermissionError):
            secret.read_text()
        with act_as_owner(folder.parent), pytest.raises(PermissionError):
            secret.read_text()
        with act_as_caller():
            assert secret.read_text() == "root's"
        with pytest.raises(PermissionError):
            secret.read_text()
    assert secret.read_text() == "root's"
    assert ((folder / "file").stat().st_uid, (folder / "file").stat().st_gid) == (NOBODY, 12345)


def test_files_of_roots_group_are_closed_to_the_owner(folder):
    secret = folder.parent / "secret"
    secret.chmod(0o640)
    with act_as_owner(folder), pytest.raises(PermissionError):
        secret.read_text()
    assert secret.read_text() == "root's"


def test_error_in_the_block_restores_the_rights(folder):
    with pytest.raises(KeyError), act_as_owner(folder):
        raise KeyError
    assert (folder.parent / "secret").read_text() == "root's"


def test_other_threads_keep_their_rights(folder):
    inside, done = threading.Event(), threading.Event()

    def act():
        with act_as_owner(folder):
            inside.set()
            done.wait(10)

    other = threading.Thread(target=act)
    other.start()
    inside.wait(10)
    assert (folder.parent / "secret").read_text() == "root's"
    done.set()
    other.join()


def test_process_gives_up_roots_rights_for_good(folder):
    child = os.fork()
    if child == 0:
        become_owner(folder)
        os._exit(0 if (os.getresuid(), os.getegid()) == ((NOBODY,) * 3, 65534) and 0 not in os.getgroups() else 1)
    assert os.waitpid(child, 0)[1] == 0
