"""Test a model on probation in a running updater: what ends it, and what the owner may do in the meantime."""

import threading
from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import LabelOptionError
from support import made_models
from support.bundles import bundle_folder
from support.rig import STEPS, publish, publish_second, start_probation


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [((5.0, "scores that are no numbers"), "scores that are no numbers"), ((100.0, None), "too slow")],
)
def test_failed_probation_rolls_back_and_refuses(rig, server, tmp_path, outcome, reason):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    assert rig.runs == "colours 2.0"
    rig.outcome = outcome
    step = rig.until("rolled_back")
    assert reason in step.reason and step.version == "2.0"
    assert rig.runs == rig.would_run == "colours 1.0"
    assert "was refused" in rig.check()["reason"]
    assert "committed" not in rig.states


def test_limit_is_the_old_model_or_the_setting(rig, server, tmp_path):
    rig.restart(probation_s=0.0)
    rig.outcome = (20.0,)
    publish_second(server, tmp_path)
    rig.frames(40, ms=20.0)
    rig.check()
    rig.until("swapped")
    rig.outcome = (50.0,)  # above 0.8 / 50 fps = 16 ms, within 3 × 20 ms
    rig.until("committed")
    rig.restart(max_latency_ms=10.0)
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    rig.check()
    assert "more than 10 ms" in rig.until("rolled_back").reason


def test_probation_waits_for_an_absent_camera(rig, server, tmp_path):
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    threading.Event().wait(1.0)  # no frames arrive for longer than the probation lasts
    assert "committed" not in rig.states and rig.runs == "colours 2.0"
    rig.until("committed")


def test_new_fps_changes_the_terms_under_way(rig, server, tmp_path):
    """The settings are reloaded while the program runs (SIGHUP)."""
    rig.restart(probation_s=1.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.updater.set_fps(10.0)
    rig.outcome = (40.0,)  # above 0.8 / 50 fps = 16 ms, and within 0.8 / 10 fps
    rig.until("committed")


def test_probation_continues_with_rare_frames(rig, server, tmp_path):
    rig.stop()
    now = iter(range(0, 10_000_000, 5))
    rig._settings = replace(rig._settings, probation_s=60.0)
    rig.start(clock=lambda: float(next(now)))  # each call is five seconds after the previous one
    publish_second(server, tmp_path)
    rig.check()
    rig.until("probation")
    rig.updater.set_fps(0.2)
    rig.until("committed")


def test_hanging_model_is_rolled_back_before_the_watchdog(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.stuck_by = "the labeling thread is stuck in labeling a frame"
    assert "does not respond" in rig.until("rolled_back").reason
    assert rig.would_run == "colours 1.0"


def test_probation_starts_over_after_restart(rig, server, tmp_path):
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.restart()
    assert rig.runs == "colours 2.0"
    rig.until("committed")
    assert rig.states == [*STEPS[:6], "probation", "committed"]
    assert not rig.store.read_state().probation


def test_owner_rollback_ends_probation(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.reload_current(lambda: rig.store.rollback("its owner went back"))
    rig.updater.notify_store_changed()
    assert "its owner went back" in rig.check()["reason"]
    assert rig.runs == "colours 1.0" and "rolled_back" not in rig.states  # the command that rolled back reports it


def test_manual_installation_ends_probation(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.reload_current(
        lambda: rig.store.install(read_bundle(bundle_folder(tmp_path / "mine", version="9.0")), "a command")
    )
    rig.updater.notify_store_changed()
    assert "another model" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 9.0"


def test_manual_installation_of_the_same_model_commits(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.reload_current(lambda: rig.store.install(rig.labeler.bundle, "a command"))
    rig.updater.notify_store_changed()
    assert "the owner installed it" in rig.until("committed").reason
    assert "rolled_back" not in rig.states and rig.runs == rig.would_run == "colours 2.0"


@pytest.mark.parametrize("came_so_far", [False, True])
def test_failed_rollback_is_retried(rig, server, tmp_path, came_so_far):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rollback = rig.rollback

    def fails(reason):
        rig.rollback = rollback
        rig.stuck_by = None  # the reason for the rollback is over
        if came_so_far:
            rig.store.rollback(reason)
        raise LabelOptionError("labeler.allow names what colours 1.0 does not have")

    rig.rollback = fails
    rig.stuck_by = "the labeling thread is stuck in labeling a frame"
    assert "does not respond" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 1.0" and rig.states.count("rolled_back") == 1
    assert "was refused" in rig.check()["reason"]


def test_commit_survives_an_unwritable_journal(rig, server, tmp_path):
    """A folder replaces the journal file from the moment the store has the commit."""
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    journal, commit = rig.state / "update.json", rig.store.commit

    def committed():
        commit()
        rig.store.commit = commit
        journal.unlink()
        journal.mkdir()

    rig.store.commit = committed
    start_probation(rig, server, tmp_path)
    rig.until("committed", 2)  # so the first report could not be recorded
    journal.rmdir()
    assert "rolled_back" not in rig.states and rig.runs == rig.would_run == "colours 2.0"


def test_probation_runs_with_an_unwritable_journal(rig, server, tmp_path):
    """The journal cannot be written from the swap on, because a folder is in its place."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    publish_second(server, tmp_path)
    journal, swap = rig.state / "update.json", rig.swap

    def swapped(warmed, change):
        swap(warmed, change)
        journal.unlink()
        journal.mkdir()

    rig.swap = swapped
    rig.check()
    rig.until("probation")
    rig.outcome = (5.0, "scores that are no numbers")
    rig.frames(1, *rig.outcome)
    journal.rmdir()
    assert "no numbers" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 1.0"


def test_unwatched_probation_is_resumed(rig, server, tmp_path):
    """The update ended with an error right after the store had the model, before it labeled."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    publish_second(server, tmp_path)
    swap = rig.swap

    def fails(warmed, change):
        rig.swap = swap
        change()
        raise OSError(28, "No space left on device")

    rig.swap = fails
    rig.check()
    rig.until("probation")
    assert rig.runs == rig.would_run == "colours 2.0"
    rig.outcome = (5.0, "scores that are no numbers")
    rig.until("rolled_back")
    assert rig.runs == rig.would_run == "colours 1.0"
