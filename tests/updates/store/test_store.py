"""Test the model store: what runs at a start, how models replace one another, and what survives kills and damage."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, StoreError
from appliance.updates.store.state import TRAINED_HERE, decode_state, encode_state
from appliance.updates.store.store import Store
from support import made_models
from support.bundles import bundle_folder

NOBODY = 65534


@pytest.fixture
def make(tmp_path):
    """Return a function that makes bundles: make("2.0", name=…) → Bundle."""
    count = iter(range(1000))
    return lambda version="1.0", **more: read_bundle(
        bundle_folder(tmp_path / f"made/{next(count)}", version=version, **more)
    )


@pytest.fixture
def store(tmp_path):
    bundled = bundle_folder(tmp_path / "bundled", name="shipped", version="1.0")
    (tmp_path / "state").mkdir()
    return Store(tmp_path / "state", bundled, lock_wait_s=0.2)


def again(store, **more):
    """Return the store as the next process sees it."""
    return Store(store.path(None).parent / "state", store.bundled, **{"lock_wait_s": 0.2, **more})


def running(store, load=lambda bundle: bundle):
    """Return the name and version of the model that a start would run."""
    identity = again(store).load_current(load).bundle.identity
    return f"{identity.name} {identity.version}"


def on_disk(store):
    folder = store.path(None).parent / "state/models"
    return {path.name for path in folder.iterdir() if path.is_dir()}


def state_file(store):
    return store.path(None).parent / "state/models/state.json"


def refusing(*versions):
    """Return a loader that cannot load these versions, as the runtime of another release might."""

    def load(bundle):
        if bundle.identity.version in versions:
            raise BundleError(f"{bundle.identity.version} does not run")
        return bundle

    return load


# What runs


def test_bundled_model_runs_without_writing(store, tmp_path):
    assert running(store) == "shipped 1.0"
    assert [listed.roles for listed in store.list()] == [("current", "bundled")]
    assert list((tmp_path / "state").iterdir()) == []


def test_the_delivered_model_runs_after_a_restart(store, make):
    slot = store.install(make("1.0"), "a command")
    choice = again(store).load_current()
    assert (choice.bundle.identity.name, choice.installed, choice.reasons) == ("colours", slot, ())
    assert choice.bundle.model_file.parent == store.path(slot)


def test_the_source_may_go_after_the_installation(store, make):
    bundle = make("1.0")
    store.install(bundle, "a command")
    shutil.rmtree(bundle.source)
    assert running(store) == "colours 1.0"


@pytest.mark.parametrize(
    ("name", "delivered", "bundled", "runs"),
    [
        ("shipped", "1.9", "1.10", "shipped 1.10"),
        ("shipped", "1.10", "1.9", "shipped 1.10"),
        ("shipped", "1.0", "1.0", "shipped 1.0"),
        ("shipped", "2.0rc1", "2.0", "shipped 2.0"),
        ("other", "1.0", "2.0", "other 1.0"),
        ("shipped", None, "2.0", None),
        ("shipped", "1.0", None, "shipped 1.0"),
    ],
)
def test_newer_bundled_model_of_the_same_name_replaces_it(store, make, name, delivered, bundled, runs):
    slot = store.install(make(delivered, name=name, model=made_models.good(1)), "a command")
    shutil.rmtree(store.bundled)
    bundle_folder(store.bundled, name="shipped", version=bundled)
    choice = again(store).load_current()
    assert f"{choice.bundle.identity.name} {choice.bundle.identity.version}" == (runs or f"shipped {slot.version}")
    assert (choice.installed is None) == (runs in ("shipped 1.10", "shipped 2.0") and delivered in ("1.9", "2.0rc1"))
    assert bool(choice.reasons) == (choice.installed is None), "the replacement is reported"


def test_newer_bundled_model_never_replaces_one_that_was_trained_here(store, make):
    """It has the name of its base, but the labels of its owner."""
    store.install(make("1.0.1", name="shipped", model=made_models.good(1)), TRAINED_HERE)
    shutil.rmtree(store.bundled)
    bundle_folder(store.bundled, name="shipped", version="2.0")
    assert running(again(store)) == "shipped 1.0.1"


def test_owner_can_go_back_from_a_newer_bundled_model(store, make):
    store.install(make("1.0", name="shipped", model=made_models.good(1)), "a command")
    shutil.rmtree(store.bundled)
    bundle_folder(store.bundled, name="shipped", version="2.0")
    next_start = again(store)
    next_start.record_choice(next_start.load_current())
    assert running(store) == "shipped 2.0"
    assert [listed.version for listed in store.list()] == ["2.0", "1.0"]
    store.rollback("the owner asked for it")
    assert running(store) == "shipped 1.0"
    shutil.rmtree(store.bundled)
    bundle_folder(store.bundled, name="shipped", version="3.0")
    assert running(store) == "shipped 3.0", "an even newer one is used"


def test_operator_can_choose_a_model_older_than_the_bundled(store, make):
    slot = store.add(make("0.9", name="shipped", model=made_models.good(1)), "channel stable", overrides_bundled=True)
    store.swap(slot, probation=True)
    assert running(store) == "shipped 0.9"


def test_variant_and_experiment_come_back_with_the_model(store, make):
    store.swap(store.add(make("1.0"), "channel stable", variant="b", experiment="lights"), probation=False)
    identity = again(store).load_current().bundle.identity
    assert (identity.variant, identity.experiment) == ("b", "lights")


# When the delivered one cannot be loaded


def test_unloadable_model_is_replaced_by_the_previous_one(store, make):
    store.install(make("1.0"), "a command")
    broken = store.install(make("2.0"), "a command")
    next_start = again(store)
    choice = next_start.load_current(refusing("2.0"))
    assert choice.bundle.identity.version == "1.0"
    assert choice.reasons == ("the delivered colours 2.0 cannot be loaded: 2.0 does not run",)
    next_start.record_choice(choice)
    assert running(store) == "colours 1.0", "it is not tried again"
    assert "does not run" in store.rejection(broken.key).reason
    assert broken.key not in on_disk(store)


def test_then_the_bundled_one(store, make):
    store.install(make("1.5"), "a command")
    store.install(make("2.0"), "a command")
    next_start = again(store)
    choice = next_start.load_current(refusing("1.5", "2.0"))
    assert choice.installed is None and len(choice.reasons) == 2
    next_start.record_choice(choice)
    assert running(store) == "shipped 1.0" and on_disk(store) == set()


def test_when_none_can_be_loaded_the_error_names_them_all(store, make):
    store.install(make("2.0"), "a command")
    with pytest.raises(BundleError, match="no model can be loaded: .*colours 2.0.*the bundled model"):
        store.load_current(refusing("2.0", "1.0"))


@pytest.mark.parametrize("damage", ["model", "labels", "gone"])
def test_damaged_model_does_not_run_but_is_not_rejected(store, make, damage):
    bundle = make("2.0")
    slot = store.install(bundle, "a command")
    if damage == "gone":
        shutil.rmtree(store.path(slot))
    elif damage == "model":
        with (store.path(slot) / "model.tflite").open("r+b") as file:
            file.seek(-40, os.SEEK_END)
            file.write(b"\xff" * 4)
    else:
        (store.path(slot) / "dict.txt").write_text("one\ntwo\nthree\n")
    next_start = again(store)
    choice = next_start.load_current()
    assert choice.installed is None and "cannot be loaded" in choice.reasons[0]
    next_start.record_choice(choice)
    assert store.rejection(slot.key) is None
    store.install(bundle, "a command")
    assert running(store) == "colours 2.0"


def test_installing_over_a_damaged_copy_repairs_it(store, make):
    bundle = make("2.0")
    slot = store.install(bundle, "a command")
    (store.path(slot) / "dict.txt").unlink()
    store.install(bundle, "a command")
    assert again(store).load_current().installed.key == slot.key


# One replaces another


def test_add_leaves_what_runs_alone_and_the_waiting_one_is_kept(store, make):
    store.install(make("1.0"), "a command")
    waiting = store.add(make("2.0"), "channel stable")
    assert running(store) == "colours 1.0"
    assert {listed.version: listed.roles for listed in store.list()}["2.0"] == ("waiting",)
    store.commit()
    assert waiting.key in on_disk(store)
    store.discard_staged()
    assert waiting.key not in on_disk(store)
    with pytest.raises(StoreError, match="are gone.*deliver it again"):
        store.swap(waiting, probation=True)


def test_old_bundles_go_but_never_the_current_and_the_previous(store, make):
    slots = [store.install(make(f"{n}.0"), "a command") for n in range(1, 5)]
    assert on_disk(store) == {slots[3].key, slots[2].key}
    assert store.bundled.is_dir()


def test_rollback_goes_back_stepwise_and_rejects(store, make):
    store.install(make("1.0"), "a command")
    slot = store.add(make("2.0"), "channel stable", offer="f" * 64)
    store.swap(slot, probation=True)
    assert store.rollback("the owner asked for it").version == "1.0"
    assert running(store) == "colours 1.0" and not store.read_state().probation
    for hash in (slot.key, slot.offer):
        assert store.rejection(hash).reason == "the owner asked for it"
    assert store.rollback("once more") is None
    assert running(store) == "shipped 1.0"
    with pytest.raises(StoreError, match="no model to go back to"):
        store.rollback("once more")


def test_a_rollback_for_another_cause_refuses_nothing(store, make):
    slot = store.install(make("2.0"), "a command", probation=True)
    store.rollback("the disk was full", refuse=False)
    assert store.rejection(slot.key) is None


def test_rollback_to_bundled_keeps_the_previous_model(store, make):
    store.install(make("1.0"), "a command")
    slot = store.install(make("2.0"), "channel stable", probation=True)
    assert store.rollback("it is too slow", to_bundled=True) is None
    assert running(store) == "shipped 1.0" and store.rejection(slot.key) and not store.read_state().probation
    assert store.rollback("its owner went back").version == "1.0"


def test_an_explicit_installation_clears_a_refusal(store, make):
    bundle = make("2.0")
    slot = store.install(bundle, "a command")
    store.rollback("it was slow")
    store.install(bundle, "a command")
    assert store.rejection(slot.key) is None and running(store) == "colours 2.0"


def test_rejections_are_forgotten_and_bounded(store):
    for n in range(60):
        store.reject(f"{n:064x}", "1.0", "it crashed")
    assert again(store).rejection(f"{59:064x}").reason == "it crashed"
    assert len(store.read_state().rejections) == 50
    store.forget_rejections(keep=f"{59:064x}")
    assert [refusal.hash for refusal in store.read_state().rejections] == [f"{59:064x}"]
    store.forget_rejections()
    assert store.rejection(f"{59:064x}") is None


def test_reinstalling_the_current_model_keeps_the_previous_one(store, make):
    store.install(make("1.0"), "a command")
    bundle = make("2.0")
    store.install(bundle, "a command")
    store.install(bundle, "a command")
    assert store.rollback("no").version == "1.0"


def test_rollback_skips_a_model_replaced_on_probation(store, make):
    store.install(make("1.0"), "a command")
    unproven = store.install(make("2.0"), "channel stable", probation=True)
    store.install(make("3.0"), "a command")
    assert unproven.key not in on_disk(store)
    assert store.rollback("no").version == "1.0"


def test_previous_model_put_back_by_hand_keeps_its_previous(store, make):
    store.install(make("1.0"), "a command")
    second = make("2.0")
    store.install(second, "a command")
    store.install(make("3.0"), "channel stable", probation=True)
    store.install(second, "a command")
    assert store.rollback("no").version == "1.0"


# Failed starts


def start(store, boot="boot-1", ready=True):
    """Record a start of the daemon that ends without a stop; return what it reported."""
    daemon = again(store)
    report = daemon.record_start(boot)
    if ready:
        daemon.mark_ready()
    return report


def test_two_failed_starts_on_probation_roll_back(store, make):
    store.install(make("1.0"), "a command")
    start(store)
    store.swap(store.add(make("2.0"), "channel stable", offer="f" * 64), probation=True)
    assert start(store) is None, "the first failed start"
    assert running(store) == "colours 2.0"
    report = start(store)
    assert report.startswith("the program did not survive 2 starts in a row with the delivered colours 2.0")
    assert report.endswith(": the delivered colours 1.0 is used again")
    assert running(store) == "colours 1.0" and store.rejection("f" * 64)
    assert start(store) is None and running(store) == "colours 1.0"


def test_power_cuts_and_stops_do_not_count(store, make):
    store.install(make("2.0"), "a command", probation=True)
    for boot in ("a", "b", "c", "d"):
        assert start(store, boot) is None
    for _ in range(4):
        again(store).record_stop()
        assert start(store, "d") is None
    assert running(store) == "colours 2.0"


def test_deaths_with_a_stop_in_between_are_none_in_a_row(store, make):
    store.install(make("2.0"), "a command", probation=True)
    for _ in range(4):
        start(store)  # the process dies
        assert start(store) is None
        again(store).record_stop()
    assert running(store) == "colours 2.0"


def test_committed_model_is_rolled_back_if_no_start_succeeds(store, make):
    store.install(make("2.0"), "a command", probation=True)
    store.commit()
    for _ in range(4):
        assert start(store, ready=True) is None
    assert start(store, ready=False) is None
    assert start(store, ready=True) is None, "one bad start, then a good one"
    for _ in range(2):
        start(store, ready=False)
    assert "did not survive" in start(store, ready=False)
    assert running(store) == "shipped 1.0"


def test_the_bundled_model_is_never_taken_back(store):
    for _ in range(5):
        assert start(store, ready=False) is None
    assert running(store) == "shipped 1.0"


# Damage, kills, other writers, other owners


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"format": 99}',
        b"\xff\x00",
        b"[" * 100000,
        b'{"format": 1, "probation": 0, "deaths": 0}',
        b'{"format": 1, "probation": false, "deaths": 0, "current": {"key": "../../etc"}}',
    ],
)
def test_damaged_state_file_is_set_aside_once(store, make, caplog, content):
    store.install(make("2.0"), "a command")
    state_file(store).write_bytes(content)
    next_start = again(store)
    assert "is damaged" in next_start.record_start("boot")
    assert next_start.load_current().installed is None and next_start.load_current().reasons == ()
    assert next_start.read_state().current is None
    assert caplog.text.count("is damaged") == 1
    assert state_file(store).with_name("state.json.damaged").read_bytes() == content
    assert again(store).record_start("boot") is None and caplog.text.count("is damaged") == 1
    store.install(make("3.0"), "a command")
    assert running(store) == "colours 3.0"


def test_a_key_that_leads_out_of_the_store_is_damage(store, make):
    store.install(make("2.0"), "a command")
    values = json.loads(state_file(store).read_bytes())
    values["current"]["key"] = "../" * 21 + "x"
    state_file(store).write_text(json.dumps(values))
    assert running(store) == "shipped 1.0"


def test_reading_a_damaged_store_changes_nothing(store, make, caplog):
    store.install(make("2.0"), "a command")
    state_file(store).write_bytes(b"{")
    reader = again(store)
    for _ in range(3):
        assert reader.load_current().installed is None
    assert caplog.text.count("is damaged") == 1
    assert state_file(store).read_bytes() == b"{"


def test_state_is_read_back_with_unknown_keys(store, make):
    store.install(make("1.0"), "a command")
    store.swap(store.add(make("2.0"), "channel", offer="e" * 64, variant="b"), probation=True)
    store.reject("d" * 64, "3.0", "it hung")
    store.record_start("boot")
    state = store.read_state()
    assert decode_state(encode_state(state)) == state
    values = json.loads(encode_state(state)) | {"later": 1}
    values["current"]["later"] = 1
    assert decode_state(json.dumps(values).encode()) == state


def test_another_command_at_work_is_waited_for_but_not_for_ever(store, make):
    store.install(make("1.0"), "a command")
    with (state_file(store).parent / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another command is changing the models"):
            store.commit()
        patient = again(store, lock_wait_s=30)
        thread = threading.Thread(target=patient.rollback, args=("asked",))
        thread.start()
        assert running(store) == "colours 1.0", "reading does not wait"
        fcntl.flock(lock, fcntl.LOCK_UN)
        thread.join(30)
    assert running(store) == "shipped 1.0"


def test_many_writers_at_once_lose_nothing(store):
    patient = [again(store, lock_wait_s=30) for _ in range(8)]
    threads = [threading.Thread(target=one.reject, args=(f"{n:064x}", "1", "x")) for n, one in enumerate(patient)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {refusal.hash for refusal in store.read_state().rejections} == {f"{n:064x}" for n in range(8)}


INSTALL = """
import sys
from pathlib import Path
from appliance.bundle.bundle import read_bundle
from appliance.updates.store.store import Store
Store(Path(sys.argv[1]), Path(sys.argv[2])).install(read_bundle(Path(sys.argv[3])), "a command")
"""


@pytest.mark.skipif(
    not shutil.which("strace"), reason="strace, which kills a program at a chosen system call, is not installed"
)
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_kill_at_any_step_leaves_a_model_that_works(store, make, tmp_path, call):
    """Kill the process at the first, second, … sync or rename, until an installation succeeds."""
    store.install(make("1.0"), "a command")
    new = make("2.0", model=made_models.good(7))
    kills = 0
    for step in range(1, 30):
        state = tmp_path / f"copy-{call}-{step}"
        shutil.copytree(tmp_path / "state", state)
        arguments = [sys.executable, "-B", "-c", INSTALL, str(state), str(store.bundled), str(new.source)]
        inject = f"inject={call}:signal=SIGKILL:when={step}"
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
        ended = subprocess.run([*strace, *arguments], check=False)
        found = Store(state, store.bundled).load_current()
        assert found.bundle.identity.version in ("1.0", "2.0") and found.installed is not None and found.reasons == ()
        if ended.returncode == 0:
            assert found.bundle.identity.version == "2.0"
            break
        kills += 1
        Store(state, store.bundled).install(new, "a command")  # leftovers do not prevent the next attempt
        assert Store(state, store.bundled).load_current().bundle.identity.version == "2.0"
        assert len([path for path in (state / "models").iterdir() if path.is_dir()]) == 2
    assert ended.returncode == 0 and kills >= 3, f"{kills} kills, then status {ended.returncode}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_gets_a_sentence_and_changes_nothing(store, make, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        small = Store(disk, store.bundled)
        small.install(make("1.0"), "a command")
        (disk / "filler").write_bytes(b"x" * 40_000)
        with pytest.raises(StoreError, match="No space left on device; free"):
            small.install(make("2.0", labels=("red", "green", "b" * 20_000)), "a command")
        assert small.load_current().bundle.identity.version == "1.0"
        assert len([path for path in (disk / "models").iterdir() if path.is_dir()]) == 1
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_what_root_installs_belongs_to_the_stores_owner(store, make, open_folder):
    (open_folder / "state").mkdir()
    os.chown(open_folder / "state", NOBODY, 12345)
    store = Store(open_folder / "state", store.bundled)
    store.install(make("1.0"), "sudo appliance model install")  # a bundle that only root can read
    store.record_start("boot")
    for path in (open_folder / "state").rglob("*"):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, 12345), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
@pytest.mark.parametrize("level", ["state", "models", "key", ".lock", "state.json"])
def test_root_changes_nothing_behind_a_link_of_the_owner(store, make, open_folder, level):
    victim = open_folder / "victim"
    (victim / "models" / ("a" * 64)).mkdir(parents=True)
    (victim / ("b" * 64)).mkdir()
    for path in (
        victim / "models" / ("a" * 64) / "f",
        victim / ("b" * 64) / "f",
        victim / "state.json",
        victim / ".lock",
    ):
        path.write_bytes(b"root's")
    state = open_folder / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    first = Store(state, store.bundled).install(make("1.0"), "before")
    paths = {
        "state": (state, victim),
        "models": (state / "models", victim),
        "key": (state / "models" / first.key, victim / ("b" * 64)),
        ".lock": (state / "models/.lock", victim / ".lock"),
        "state.json": (state / "models/state.json", victim / "state.json"),
    }
    path, target = paths[level]
    path.rename(open_folder / "aside")
    path.symlink_to(target)
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    before = {each: each.read_bytes() if each.is_file() else b"" for each in victim.rglob("*")}
    for change in (
        lambda: Store(state, store.bundled).install(make("2.0"), "sudo appliance model install"),
        lambda: Store(state, store.bundled).rollback("sudo appliance model rollback"),
        lambda: Store(state, store.bundled).discard_staged(),
    ):
        with contextlib.suppress(StoreError, BundleError):
            change()
    assert {each: each.read_bytes() if each.is_file() else b"" for each in victim.rglob("*")} == before
    assert all(each.stat().st_uid == 0 for each in victim.rglob("*"))


def test_a_store_that_cannot_be_made_gets_a_sentence(store, make, tmp_path):
    with pytest.raises(StoreError, match="cannot be changed"):
        Store(tmp_path / "missing", store.bundled).install(make("1.0"), "a command")


# A probation in between


def test_a_failed_probation_leaves_the_way_back_as_it_was(store, make):
    first, second = store.install(make("1.0"), "a"), store.install(make("2.0"), "b")
    third = store.add(make("3.0"), "c")
    store.swap(third, probation=True)
    assert on_disk(store) == {first.key, second.key, third.key}
    assert ("earlier",) in [listed.roles for listed in store.list()]
    store.rollback("it is too slow")
    assert running(store) == "colours 2.0"
    store.rollback("its owner went back")
    assert running(store) == "colours 1.0"


def test_a_proven_model_needs_only_the_one_before_it(store, make):
    store.install(make("1.0"), "a")
    second, third = store.install(make("2.0"), "b"), store.add(make("3.0"), "c")
    store.swap(third, probation=True)
    again(store).commit()
    assert on_disk(store) == {second.key, third.key}
    store.rollback("its owner went back")
    assert running(store) == "colours 2.0" and store.read_state().previous is None


def test_failed_start_on_probation_keeps_the_way_back(store, make):
    store.install(make("1.0"), "a"), store.install(make("2.0"), "b")
    store.swap(store.add(make("3.0"), "c"), probation=True)
    store.record_choice(again(store).load_current(refusing("3.0")))
    assert running(store) == "colours 2.0"
    store.rollback("its owner went back")
    assert running(store) == "colours 1.0"
