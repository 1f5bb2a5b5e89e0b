"""Test the store's folder: what is written completely or not at all, what is removed, and what is kept."""

import fcntl
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle, read_stored_bundle, write_bundle
from appliance.bundle.documents import has_card, has_report, read_card
from appliance.bundle.key import bundle_key
from appliance.errors import BundleError, StoreError
from appliance.updates.store.folder import ModelFolder
from appliance.updates.store.state import InstalledModel, StoreState
from support import made_models
from support.bundles import bundle_folder, zipped
from support.tiny_bundles import manifest_text
from support.tiny_models import write_tiny

STATE = StoreState(
    current=InstalledModel("ab" * 32, "colours", "1.0", "cd" * 32, "a test", "2026-01-01T00:00:00.000Z"),
    bundled="general",
)
KEY = "0123456789abcdef" * 4


@pytest.fixture
def bundle(tmp_path):
    return read_bundle(bundle_folder(tmp_path / "made"))


@pytest.fixture
def folder(tmp_path):
    """Return a folder that the first change has created."""
    folder = ModelFolder(tmp_path / "state/models", lock_wait_s=0.1)
    folder.path.parent.mkdir()
    with folder.lock():
        pass
    return folder


@pytest.fixture
def outside(tmp_path):
    """Make a folder with a file that does not belong to the store."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "diary.txt").write_text("mine")
    return outside


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


# The folder and its lock


def test_reading_creates_nothing(tmp_path):
    folder = ModelFolder(tmp_path / "models", lock_wait_s=0.1)
    assert folder.read_state() == (StoreState(), None)
    assert not folder.has(KEY)
    assert list(tmp_path.iterdir()) == []


def test_first_change_creates_the_folder_and_the_lock(folder):
    assert names(folder) == [".lock"]


def test_missing_parent_is_an_error(tmp_path):
    folder = ModelFolder(tmp_path / "missing/models", lock_wait_s=0.1)
    with pytest.raises(StoreError, match="No such file"), folder.lock():
        pytest.fail("it was locked")
    assert list(tmp_path.iterdir()) == []


def test_file_in_the_way_is_an_error_and_stays(tmp_path):
    (tmp_path / "models").write_text("mine")
    with pytest.raises(StoreError), ModelFolder(tmp_path / "models", lock_wait_s=0.1).lock():
        pytest.fail("it was locked")
    assert (tmp_path / "models").read_text() == "mine"


def test_card_and_report_are_kept_with_a_stored_bundle(folder, bundle, tmp_path):
    with folder.lock():
        key = folder.put(bundle)
        assert not has_card(folder.path / key)
        (tmp_path / "made" / "MODEL_CARD.md").write_text("# Card")  # the same model again, now with a card
        (tmp_path / "made" / "report.html").write_text("<p>report</p>")
        assert folder.put(read_bundle(tmp_path / "made")) == key
    assert read_card(folder.path / key) == b"# Card" and has_report(folder.path / key) and folder.has(key)


def test_second_change_waits_no_longer_than_its_limit(folder):
    with folder.lock(), pytest.raises(StoreError, match="another command"), folder.lock():
        pytest.fail("both were in")
    with folder.lock():
        pass


def test_second_change_comes_when_the_first_is_over(folder):
    patient, order = ModelFolder(folder.path, lock_wait_s=30.0), []

    def change():
        with patient.lock():
            order.append("second")

    with folder.lock():
        thread = threading.Thread(target=change)
        thread.start()
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


def test_lock_of_a_process_that_ended_is_free(folder):
    descriptor = os.open(folder.path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StoreError), folder.lock():
        pytest.fail("both were in")
    os.close(descriptor)  # as the kernel does when a process ends
    with folder.lock():
        pass


def test_link_in_place_of_the_lock_is_not_followed(folder, outside):
    (folder.path / ".lock").unlink()
    (folder.path / ".lock").symlink_to(outside / "new")
    with pytest.raises(StoreError), folder.lock():
        pytest.fail("it was locked")
    assert [path.name for path in outside.iterdir()] == ["diary.txt"]


def test_error_of_the_disk_within_a_change_is_a_store_error(folder):
    with pytest.raises(StoreError, match=r"No space left on device.*free"), folder.lock():
        raise OSError(28, "No space left on device")
    with folder.lock():
        pass


# The state file


def test_state_is_read_as_it_was_written(folder):
    folder.write_state(STATE)
    assert folder.read_state() == (STATE, None)
    folder.write_state(replace(STATE, probation=True))
    assert folder.read_state() == (replace(STATE, probation=True), None)
    assert names(folder) == [".lock", "state.json"]


def test_damaged_state_is_empty_and_kept_when_set_aside(folder):
    file = folder.path / "state.json"
    file.write_bytes(b"{")
    state, damage = folder.read_state()
    assert state == StoreState()
    assert str(file) in damage
    assert file.read_bytes() == b"{"
    assert folder.set_state_aside() == folder.path / "state.json.damaged"
    assert names(folder) == [".lock", "state.json.damaged"]
    assert (folder.path / "state.json.damaged").read_bytes() == b"{"
    assert folder.read_state() == (StoreState(), None)


def test_state_that_cannot_be_read_is_an_error(folder):
    (folder.path / "state.json").symlink_to("/proc/self/mem")  # an I/O error, because root can read every file
    with pytest.raises(StoreError, match=r"state\.json"):
        folder.read_state()


def test_link_in_place_of_the_state_is_replaced_alone(folder, outside):
    (folder.path / "state.json").symlink_to(outside / "diary.txt")
    folder.write_state(STATE)
    assert folder.read_state()[0] == STATE
    assert (outside / "diary.txt").read_text() == "mine"


# Bundles


def test_bundle_comes_back_under_its_key(folder, bundle):
    key = folder.put(bundle)
    assert key == bundle_key(bundle)
    assert names(folder) == [".lock", key]
    assert folder.has(key)
    stored = folder.read(key)
    assert (stored.identity, stored.labels) == (bundle.identity, bundle.labels)
    assert stored.model_file.parent == folder.path / key
    assert stat.S_IMODE((folder.path / key).stat().st_mode) == 0o755


def test_zip_and_folder_are_one_bundle(folder, bundle, tmp_path):
    (tmp_path / "made.zip").write_bytes(zipped(bundle.source))
    assert folder.put(read_bundle(tmp_path / "made.zip")) == folder.put(bundle)
    assert len(names(folder)) == 2


def test_whole_bundle_is_not_written_again(folder, bundle):
    key = folder.put(bundle)
    before = (folder.path / key).stat().st_ino
    folder.put(bundle)
    assert (folder.path / key).stat().st_ino == before


def test_damaged_bundle_is_found_and_replaced(folder, bundle):
    key = folder.put(bundle)
    (folder.path / key / "dict.txt").write_text("one\ntwo\nthree\n")
    assert not folder.has(key)
    with pytest.raises(BundleError, match="damaged"):
        folder.read(key)
    assert folder.put(bundle) == key
    assert folder.has(key)
    assert names(folder) == [".lock", key]


def test_bundle_that_vanished_leaves_nothing(folder, bundle):
    bundle.model_file.unlink()
    with pytest.raises((BundleError, OSError)):
        folder.put(bundle)
    assert names(folder) == [".lock"]


def test_bundle_that_changed_since_it_was_read_leaves_nothing(folder, bundle):
    bundle.model_file.write_bytes(made_models.good(9))
    with pytest.raises(BundleError):
        folder.put(bundle)
    assert names(folder) == [".lock"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_in_place_of_a_bundle_is_not_followed(folder, bundle, outside, kind):
    place = folder.path / bundle_key(bundle)
    if kind == "link":
        place.symlink_to(outside)
    else:
        place.write_text("mine")
    with pytest.raises(OSError, match=r"."):
        folder.put(bundle)
    assert (outside / "diary.txt").read_text() == "mine"
    assert names(folder) == [".lock", place.name]


# What is removed


def test_pruning_removes_bundles_and_half_written_ones(folder, bundle):
    kept = folder.put(bundle)
    for name in (KEY, ".new-abc123"):
        (folder.path / name / "inner").mkdir(parents=True)
    folder.prune({kept})
    assert names(folder) == [".lock", kept]
    folder.prune(set())
    assert names(folder) == [".lock"]


def test_pruning_leaves_every_foreign_name(folder):
    folder.write_state(STATE)
    foreign = ["notes.txt", "backup", KEY[:-1], f"{KEY}0", KEY.upper(), f"{KEY}.bak", "new-abc", "state.json.damaged"]
    for name in foreign:
        (folder.path / name).mkdir()
    folder.prune(set())
    assert names(folder) == sorted([".lock", "state.json", *foreign])


def test_pruning_follows_no_link(folder, outside):
    (folder.path / KEY).symlink_to(outside)
    (folder.path / ".new-1").mkdir()
    (folder.path / ".new-1" / "link").symlink_to(outside)
    folder.prune(set())
    assert (outside / "diary.txt").read_text() == "mine"
    assert not (folder.path / ".new-1").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(open_folder, bundle):
    (open_folder / "state").mkdir()
    os.chown(open_folder / "state", 65534, 12345)
    folder = ModelFolder(open_folder / "state/models", lock_wait_s=0.1)
    with folder.lock():
        folder.put(bundle)
        folder.write_state(STATE)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (open_folder / "state").rglob("*")}
    assert owners == {(65534, 12345)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the folders of others")
def test_link_in_the_folders_place_is_named(open_folder, outside):
    (open_folder / "state").mkdir()
    os.chown(open_folder / "state", 65534, 12345)
    (open_folder / "state/models").symlink_to(outside)
    folder = ModelFolder(open_folder / "state/models", lock_wait_s=0.1)
    with pytest.raises(StoreError, match="models is a symbolic link; remove it"), folder.lock():
        pytest.fail("it was locked")
    assert [path.name for path in outside.iterdir()] == ["diary.txt"]


def put_fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    "put",
    [
        Path.mkdir,
        put_fifo,
        lambda path: path.symlink_to(path),
        lambda path: path.write_bytes(b"[" * 3000 + b"]" * 3000),
        lambda path: path.write_bytes(b'{"format": 1, "refused": [{"hash": "\\ud800"}]}'),
        lambda path: path.write_bytes(b'{"format": 1, "probation": 7}'),
    ],
    ids=["folder", "fifo", "loop", "nested", "surrogate", "wrong type"],
)
def test_anything_in_the_state_files_place_is_damage(folder, put):
    put(folder.path / "state.json")
    for _ in range(2):
        state, damage = folder.read_state()
        assert state.models == () and "is damaged" in damage
        with folder.lock():
            assert os.path.lexists(folder.set_state_aside())
            folder.write_state(StoreState(failed_starts=1, bundled="general"))
        assert folder.read_state() == (StoreState(failed_starts=1, bundled="general"), None)
        (folder.path / "state.json").unlink()
        put(folder.path / "state.json")


def test_file_in_the_folders_place_is_damage(tmp_path):
    (tmp_path / "models").write_text("")
    state, damage = ModelFolder(tmp_path / "models", 1.0).read_state()
    assert state == StoreState() and "is damaged" in damage


@pytest.mark.parametrize(
    ("labels", "name"),
    [("0 red\n1 green\n2 blue\n", "numbered"), ("red\ngreen\nblue\n", "a" * 100), ("r\x1bed\ngreen\nblue", "x")],
)
def test_bundle_of_an_earlier_release_stays_active(tmp_path, labels, name):
    """Earlier releases stored indexes, long names, and control characters as they were."""
    source = write_tiny(tmp_path / "source", labels=labels, manifest=manifest_text(name=name, version="1.0"))
    raw = read_stored_bundle(source)
    key = bundle_key(raw)
    write_bundle(raw, tmp_path / "models" / key)
    bundle = ModelFolder(tmp_path / "models", 1).read(key)
    assert bundle.labels[1:] == raw.labels[1:], "topics must not change with the program"
    assert len(bundle.identity.name) <= 64 and "\x1b" not in bundle.labels[0]
