"""The update machine with the url source: what is taken, what is not, what is told, and what every fault leads to."""

import gzip
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import LabelOptionError, SourceError, UpdateError
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder, zipped
from support.model_server import (
    Body,
    Drip,
    Endless,
    Longer,
    ModelServer,
    NoHead,
    Plain,
    Redirect,
    Stall,
    Status,
    Truncate,
)
from support.paths import CHILD_ENVIRONMENT
from support.rig import Rig, publish

WAY = ["available", "downloading", "verifying", "probing", "swapped", "probation", "committed"]


@pytest.fixture
def server():
    with ModelServer() as server:
        yield server


@pytest.fixture
def rig(tmp_path, server):
    """A device that runs `colours 1.0`, and asks only on command."""
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed) as rig:
        yield rig


def two(server, tmp_path, salt=2, **more):
    publish(server, tmp_path / f"two-{salt}", version="2.0", model=made_models.good(salt), **more)


# What is taken


def test_a_newer_model_is_taken_and_each_step_is_told(rig, server, tmp_path):
    two(server, tmp_path)
    assert rig.check() == {"offered": "2.0", "taken": True, "current": False, "reason": None}
    done = rig.until("committed")
    assert rig.states == WAY and rig.runs == rig.would_run == "colours 2.0"
    assert done.version == "2.0" and done.sha256 == rig.labeler.identity.sha256
    assert {step.version for step in rig.steps} == {"2.0"}
    assert not any((rig.state / "downloads").iterdir())
    assert rig.check() == {"offered": "2.0", "taken": False, "current": True, "reason": None}


def test_progress_is_shown_while_it_is_fetched(rig, server, tmp_path):
    two(server, tmp_path)
    server.fault("/model.tflite", Drip(every_s=0.02, size=200), times=1)
    rig.check()
    rig.until("swapped")
    percentages = [shown.percentage for shown in rig.shown if shown.percentage is not None]
    assert percentages == sorted(percentages) and percentages[-1] == 100 and len(percentages) > 2
    assert all(
        shown.latest_version == "2.0" and shown.in_progress for shown in rig.shown if shown.percentage is not None
    )
    rig.until("committed")
    assert (rig.shown[-1].latest_version, rig.shown[-1].in_progress) == (None, False)


@pytest.mark.parametrize("form", ["zip", "tflite"])
def test_a_zip_and_a_bare_tflite_are_taken_too(tmp_path, server, form):
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    second = bundle_folder(tmp_path / "v2", version="2.0", model=made_models.good(2))
    if form == "zip":
        server.put("/colours.zip", zipped(second))
    else:
        server.put("/colours.tflite", made_models.good(2))
        server.put("/dict.txt", b"red\ngreen\nblue\n")
    with Rig(tmp_path / "device", server.url(f"/colours.{form}"), installed=installed) as rig:
        rig.check()
        rig.until("committed")
        assert rig.labeler.identity.sha256 == read_bundle(second).identity.sha256
        assert rig.labeler.identity.name == "colours"
        before = len(server.requests)
        assert rig.check()["current"]
        assert len(server.requests) - before == 1


def test_checks_come_by_themselves_at_the_start_and_every_interval(tmp_path, server):
    two(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), interval_s=1.0) as rig:
        rig.until("committed")
        two(server, tmp_path, salt=3, hashes=True, name="colours")
        server.mend()
        publish(server, tmp_path / "three", version="3.0", model=made_models.good(4))
        rig.until("committed", 2)
        assert rig.runs == "colours 3.0"


def test_an_automl_export_put_up_again_under_the_same_names_is_noticed(tmp_path, server):
    """Its manifest never changes, and gives no hashes."""
    first = bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1))
    server.put_folder(first, "/flowers/")
    with Rig(tmp_path / "device", server.url("/flowers/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        assert rig.runs.startswith("flowers sha256:")
        server.put("/flowers/model.tflite", made_models.good(2))
        assert rig.check()["taken"]
        rig.until("committed", 2)
        server.put("/flowers/dict.txt", b"rot\ngruen\nblau\n")
        rig.check()
        rig.until("committed", 3)
        assert rig.labeler.labels == ("rot", "gruen", "blau")


@pytest.mark.parametrize("known", [Plain(), Plain(validators=False), NoHead(405), NoHead(403)])
def test_a_server_without_conditions_states_or_head_is_tolerated(tmp_path, server, known):
    server.put_folder(bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1)))
    for path in ("/manifest.json", "/model.tflite", "/dict.txt"):
        server.fault(path, known)
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        assert rig.check()["current"]
        server.put("/model.tflite", made_models.good(2))
        assert rig.check()["taken"]
        rig.until("committed", 2)


def test_the_hash_that_cloud_storage_gives_is_held_against_the_bytes(tmp_path, server):
    import base64
    import hashlib

    good = made_models.good(2)
    md5 = base64.b64encode(hashlib.md5(good).digest()).decode()
    server.put("/dict.txt", b"red\ngreen\nblue\n")
    server.put("/colours.tflite", good, headers={"x-goog-hash": f"crc32c=AAAA,md5={md5}"})
    with Rig(tmp_path / "device", server.url("/colours.tflite")) as rig:
        server.files["/colours.tflite"] = type(server.files["/colours.tflite"])(
            good[:-1] + b"x", server.files["/colours.tflite"].etag, None, server.files["/colours.tflite"].headers
        )
        rig.check()
        assert "another md5" in rig.until("failed").reason
        server.put("/colours.tflite", good, headers={"x-goog-hash": f"crc32c=AAAA,md5={md5}"})
        rig.check()
        rig.until("committed")


def test_the_same_bundle_under_another_state_of_the_files_is_not_put_in_again(tmp_path, server):
    server.put_folder(bundle_folder(tmp_path / "first", name=None, version=None, model=made_models.good(1)))
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:
        rig.check()
        rig.until("committed")
        server.put("/model.tflite", made_models.good(1), etag='"put-up-again"')
        rig.check()
        last = rig.until("committed", 2)
        assert last.reason == "the same model is installed already" and rig.states.count("swapped") == 1
        assert rig.check()["current"]


def test_what_was_taken_is_not_fetched_again_after_a_restart(rig, server, tmp_path):
    two(server, tmp_path, hashes=False)
    rig.check()
    rig.until("committed")
    rig.restart()
    fetched = len(server.asked("/model.tflite", "GET"))
    assert rig.check()["current"]
    assert len(server.asked("/model.tflite", "GET")) == fetched


def test_while_no_model_can_be_delivered_nobody_is_asked_and_what_is_under_way_waits(rig, server, tmp_path):
    rig.restart(interval_s=0.05, probation_s=60.0)
    two(server, tmp_path)
    rig.until("probation")
    rig.held_by = "somebody names the model"
    rig.updater.notify_store_changed()
    with pytest.raises(UpdateError, match="somebody names the model"):
        rig.check()
    before = len(server.requests)
    rig.frames(1, 5.0, "scores that are no numbers")
    with pytest.raises(UpdateError, match="somebody names the model"):
        rig.install()
    assert len(server.requests) == before and "rolled_back" not in rig.states
    rig.held_by = None
    rig.updater.notify_store_changed()
    rig.until("rolled_back")
    wait_until(lambda: len(server.requests) > before, "the source is asked again")


@pytest.mark.parametrize(("hashes", "most"), [(True, 1), (False, 3)])
def test_a_check_that_finds_nothing_costs_little(rig, server, tmp_path, hashes, most):
    two(server, tmp_path, hashes=hashes)
    rig.check()
    rig.until("committed")
    before = len(server.requests)
    rig.check()
    asked = server.requests[before:]
    assert len(asked) <= most and sum(request.sent for request in asked) < 2000
    assert {request.status for request in asked} == {304}


# What is not


def test_downgrades_are_refused_unless_allowed(rig, server, tmp_path):
    publish(server, tmp_path / "old", version="0.9", model=made_models.good(9))
    answer = rig.check()
    assert not answer["taken"] and "0.9 is older than the running 1.0" in answer["reason"]
    with pytest.raises(UpdateError, match="allow_downgrade"):
        rig.install()
    assert rig.steps == [] and not server.asked("/model.tflite", "GET")
    rig.restart(allow_downgrade=True)
    rig.check()
    rig.until("committed")
    assert rig.runs == "colours 0.9"


def test_the_running_version_with_other_contents_is_no_newer_one(rig, server, tmp_path):
    publish(server, tmp_path / "same", version="1.0", model=made_models.good(9))
    assert "greater" in rig.check()["reason"]
    assert rig.steps == []


def test_a_downgrade_that_shows_only_in_the_zip_is_fetched_once_and_not_refused_for_good(tmp_path, server):
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    server.put("/m.zip", zipped(bundle_folder(tmp_path / "old", version="0.9", model=made_models.good(9))))
    with Rig(tmp_path / "device", server.url("/m.zip"), installed=installed) as rig:
        rig.check()
        assert "older than" in rig.until("failed").reason
        assert "older than" in rig.check()["reason"]
        assert len(server.asked("/m.zip", "GET")) == 1
        assert rig.store.read_state().rejections == ()
        rig.restart(allow_downgrade=True)
        rig.check()
        rig.until("committed")
        assert rig.runs == "colours 0.9"


def test_versions_of_the_model_that_came_with_the_program_do_not_hold_others_back(tmp_path, server):
    publish(server, tmp_path / "other", name="colours", version="0.1", model=made_models.good(9))
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:  # bundled: shipped 1.0
        rig.check()
        rig.until("committed")
        assert rig.runs == "colours 0.1"


def test_ask_waits_for_the_owner(tmp_path, server):
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    two(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed, install="ask") as rig:
        assert rig.check() == {"offered": "2.0", "taken": False, "current": False, "reason": None}
        assert rig.check()["offered"] == "2.0"
        assert rig.states == ["available"] and rig.shown[-1].latest_version == "2.0" and not rig.shown[-1].in_progress
        with pytest.raises(UpdateError, match="offers 2.0, not 3.0"):
            rig.install("3.0")
        assert rig.runs == "colours 1.0"
        assert rig.install("2.0")["taken"]
        assert rig.runs == "colours 2.0"
        rig.until("committed")
        with pytest.raises(UpdateError, match="installed already"):
            rig.install("latest")


def test_the_variant_of_what_runs_may_change_without_a_download(rig, server, tmp_path):
    two(server, tmp_path)
    rig.check()
    rig.until("committed")
    source = rig.updater._source
    before = source.check
    from dataclasses import replace

    source.check = lambda requested: replace(before(requested), variant="b", experiment="brightness")
    rig.check()
    assert (rig.labeler.identity.variant, rig.labeler.identity.experiment) == ("b", "brightness")
    assert rig.states == WAY


def test_a_model_that_does_not_suit_the_settings_waits_until_it_does(rig, server, tmp_path):
    """The owner allows a label that only the running model has; then not any more."""
    two(server, tmp_path)

    def does_not_suit():
        raise LabelOptionError("labeler.allow names violet, which colours 2.0 does not have.")

    rig.warming = does_not_suit
    rig.check()
    assert "violet" in rig.until("failed").reason
    for _ in range(2):
        assert "names violet" in rig.check()["reason"]
    assert len(server.asked("/model.tflite", "GET")) == 1 and rig.store.read_state().rejections == ()
    assert rig.states == ["available", "downloading", "verifying", "probing", "failed"]
    assert rig.runs == rig.would_run == "colours 1.0"
    rig.restart()
    rig.check()
    rig.until("failed", 2)
    with pytest.raises(UpdateError, match="violet"):
        rig.install()
    rig.warming = lambda: None
    assert rig.check()["taken"]
    rig.until("committed")
    assert rig.runs == "colours 2.0" and len(server.asked("/model.tflite", "GET")) == 1


# Faults of the model


BAD = {
    "crashes": (made_models.crashes, {}, "crashed the process"),
    "is not numbers": (made_models.not_numbers, {}, "not numbers"),
    "labels that do not fit": (made_models.good, {"labels": ("red", "green")}, "2 labels"),
    "a web page": (lambda: b"<!doctype html><title>Sign in</title>", {}, "web page"),
    "half a file": (lambda: made_models.good()[:700], {}, "damaged"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_model_is_refused_once_and_what_ran_runs_on(tmp_path, server, kind):
    from appliance.labeling.probe import probe

    make, more, reason = BAD[kind]
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    publish(server, tmp_path / "bad", version="2.0", model=make(), **more)
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed, probe=probe) as rig:
        rig.check()
        assert reason in rig.until("refused").reason
        assert rig.runs == rig.would_run == "colours 1.0"
        rig.restart()
        fetched = len(server.asked("/model.tflite", "GET"))
        assert "was refused" in rig.check()["reason"]
        assert len(server.asked("/model.tflite", "GET")) == fetched


@pytest.mark.parametrize(
    ("make", "limits", "reason"),
    [
        (made_models.never_ends, {"time_s": 4.0}, "longer than"),
        (lambda: made_models.needs_memory(1_000_000_000), {}, "needs more memory"),
    ],
)
def test_a_model_that_hangs_or_wants_too_much_is_refused(tmp_path, server, make, limits, reason):
    from appliance.labeling.probe import Limits, probe

    publish(server, tmp_path / "bad", version="2.0", model=make())
    with Rig(
        tmp_path / "device", server.url("/manifest.json"), probe=lambda path: probe(path, Limits(**limits))
    ) as rig:
        rig.check()
        assert reason in rig.until("refused").reason
        assert rig.runs == "shipped 1.0"


def test_after_a_refusal_something_else_is_taken_and_an_explicit_install_tries_again(rig, server, tmp_path):
    publish(server, tmp_path / "bad", version="2.0", model=made_models.not_numbers())
    rig.check()
    rig.until("refused")
    with pytest.raises(UpdateError, match="was refused: .*not numbers"):
        rig.install()
    assert rig.states.count("refused") == 2
    publish(server, tmp_path / "good", version="2.1", model=made_models.good(7))
    rig.check()
    rig.until("committed")
    assert rig.runs == "colours 2.1" and rig.store.read_state().rejections == ()


def test_what_was_refused_is_taken_when_something_else_was_offered_in_between(rig, server, tmp_path):
    """Also where that was nothing new: the operator went back to what runs, and now offers the refused one again."""
    two(server, tmp_path)
    rig.check()
    rig.until("committed")
    rig.restart(probation_s=60.0)
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    rig.outcome = (5.0,)
    rig.check()
    rig.until("probation", 2)
    rig.outcome = (5.0, "scores that are no numbers")
    rig.until("rolled_back")
    assert "was refused" in rig.check()["reason"]
    two(server, tmp_path / "again")
    assert rig.check()["current"] and rig.store.read_state().rejections == ()
    publish(server, tmp_path / "three again", version="3.0", model=made_models.good(3))
    assert rig.check()["taken"]


def test_a_refused_bundle_under_another_state_of_its_files_is_still_the_refused_one(rig, server, tmp_path):
    """A server may call the same bytes otherwise at each request."""
    publish(server, tmp_path / "bad", version="2.0", model=made_models.good(2), hashes=False)
    rig.restart(probation_s=60.0)
    rig.check()
    rig.until("probation")
    rig.outcome = (5.0, "scores that are no numbers")
    rig.until("rolled_back")
    rig.outcome = None
    server.put("/model.tflite", made_models.good(2), etag='"put-up-again"')
    rig.check()
    assert "the same that was refused before" in rig.until("refused").reason
    assert rig.states.count("swapped") == 1


# Probation


def trial(rig, server, tmp_path):
    two(server, tmp_path)
    rig.frames(40, ms=5.0)
    rig.check()
    rig.until("probation")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [((5.0, "scores that are no numbers"), "scores that are no numbers"), ((100.0, None), "too slow")],
)
def test_a_model_that_fails_its_probation_is_taken_back_and_refused(rig, server, tmp_path, outcome, reason):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    assert rig.runs == "colours 2.0"
    rig.outcome = outcome
    step = rig.until("rolled_back")
    assert reason in step.reason and step.version == "2.0"
    assert rig.runs == rig.would_run == "colours 1.0"
    assert "was refused" in rig.check()["reason"]
    assert "committed" not in rig.states


def test_the_old_model_is_the_measure_and_a_given_limit_comes_first(rig, server, tmp_path):
    rig.restart(probation_s=0.0)
    rig.outcome = (20.0,)
    two(server, tmp_path)
    rig.frames(40, ms=20.0)
    rig.check()
    rig.until("swapped")
    rig.outcome = (50.0,)  # above 0.8 / 50 fps = 16 ms, within 3 × 20 ms
    rig.until("committed")
    rig.restart(max_latency_ms=10.0)
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    rig.check()
    assert "more than 10 ms" in rig.until("rolled_back").reason


def test_the_camera_may_go_away_during_probation(rig, server, tmp_path):
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    threading.Event().wait(1.0)  # no frames come, and more time goes by than the probation lasts
    assert "committed" not in rig.states and rig.runs == "colours 2.0"
    rig.until("committed")


def test_other_frames_a_second_are_other_terms_also_for_a_probation_under_way(rig, server, tmp_path):
    """The settings are read again while the program runs (SIGHUP)."""
    rig.restart(probation_s=1.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.updater.set_fps(10.0)
    rig.outcome = (40.0,)  # above 0.8 / 50 fps = 16 ms, and within 0.8 / 10 fps
    rig.until("committed")


def test_a_probation_goes_on_with_frames_that_come_as_seldom_as_the_settings_now_say(rig, server, tmp_path):
    rig.stop()
    now = iter(range(0, 10_000_000, 5))
    rig._settings = replace(rig._settings, probation_s=60.0)
    rig.start(clock=lambda: float(next(now)))  # five seconds from each moment to the next
    two(server, tmp_path)
    rig.check()
    rig.until("probation")
    rig.updater.set_fps(0.2)
    rig.until("committed")


def test_a_model_that_hangs_on_probation_is_taken_back_on_disk_before_the_watchdog_acts(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.stuck_in = "the labeling thread is stuck in labeling a frame"
    assert "does not answer" in rig.until("rolled_back").reason
    assert rig.would_run == "colours 1.0"


def test_a_probation_goes_on_after_a_restart_and_begins_anew(rig, server, tmp_path):
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.restart()
    assert rig.runs == "colours 2.0"
    rig.until("committed")
    assert rig.states == [*WAY[:6], "probation", "committed"]
    assert not rig.store.read_state().probation


def test_no_other_model_is_taken_while_one_is_on_probation(rig, server, tmp_path):
    rig.restart(probation_s=60.0, interval_s=1.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    assert "waits until the probation ends" in rig.check()["reason"]
    with pytest.raises(UpdateError, match="on probation"):
        rig.install("3.0")
    rig.store.rollback("its owner went back")
    rig.updater.notify_store_changed()
    rig.until("swapped", 2)
    assert rig.runs == "colours 3.0"


def test_a_rollback_by_the_owner_ends_the_probation_and_the_model_stays_away(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.reload_current(lambda: rig.store.rollback("its owner went back"))
    rig.updater.notify_store_changed()
    assert "its owner went back" in rig.check()["reason"]
    assert rig.runs == "colours 1.0" and "rolled_back" not in rig.states  # told by who rolled back


def test_a_model_installed_by_hand_during_probation_stays(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.reload_current(
        lambda: rig.store.install(read_bundle(bundle_folder(tmp_path / "mine", version="9.0")), "a command")
    )
    rig.updater.notify_store_changed()
    assert "another model" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 9.0"


def test_a_model_that_its_owner_installs_during_its_own_probation_is_not_called_taken_back(rig, server, tmp_path):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rig.reload_current(lambda: rig.store.install(rig.labeler.bundle, "a command"))
    rig.updater.notify_store_changed()
    assert "its owner put it in place" in rig.until("committed").reason
    assert "rolled_back" not in rig.states and rig.runs == rig.would_run == "colours 2.0"


@pytest.mark.parametrize("came_so_far", [False, True])
def test_a_verdict_that_cannot_be_carried_out_is_tried_again_until_what_was_before_labels(
    rig, server, tmp_path, came_so_far
):
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    rollback = rig.rollback

    def fails(reason):
        rig.rollback = rollback
        rig.stuck_in = None  # what it was judged for has passed
        if came_so_far:
            rig.store.rollback(reason)
        raise LabelOptionError("labeler.allow names what colours 1.0 does not have")

    rig.rollback = fails
    rig.stuck_in = "the labeling thread is stuck in labeling a frame"
    assert "does not answer" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 1.0" and rig.states.count("rolled_back") == 1
    assert "was refused" in rig.check()["reason"]


def test_a_model_that_proved_itself_stays_committed_though_the_disk_refuses_to_note_that_it_was_told(
    rig, server, tmp_path
):
    """A folder in the place of the journal, from the moment at which the store has it."""
    rig.restart(probation_s=0.5)
    rig.outcome = (5.0,)
    journal, commit = rig.state / "update.json", rig.store.commit

    def committed():
        commit()
        rig.store.commit = commit
        journal.unlink()
        journal.mkdir()

    rig.store.commit = committed
    trial(rig, server, tmp_path)
    rig.until("committed", 2)  # so the first time could not be noted
    journal.rmdir()
    assert "rolled_back" not in rig.states and rig.runs == rig.would_run == "colours 2.0"


def test_a_probation_is_watched_though_the_disk_refuses_to_note_it(rig, server, tmp_path):
    """The journal cannot be written from the swap on: a folder is in its place."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    two(server, tmp_path)
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


def test_a_model_on_probation_that_nobody_watches_is_watched_again(rig, server, tmp_path):
    """Its way ended with an error right after the store had it, before it labeled."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    two(server, tmp_path)
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


# Faults of the server and the network


@pytest.mark.parametrize(
    ("path", "fault", "reason"),
    [
        ("/manifest.json", Status(404), "not there"),
        ("/manifest.json", Status(403), "403"),
        ("/manifest.json", Status(500), "500"),
        ("/manifest.json", Body(b"<!doctype html><title>Sign in</title>", "text/html"), "not JSON|not a bundle"),
        ("/manifest.json", Redirect("http://models.example.org/manifest.json"), "not https"),
        ("/manifest.json", Stall(5), "sent nothing"),
        ("/manifest.json", Endless(), "more than"),
        ("/model.tflite", Status(404), "not there"),
        ("/model.tflite", Status(403), "403"),
        ("/model.tflite", Body(b"x" * 3000), "another sha256"),
        ("/model.tflite", Body(b"<!doctype html>", "text/html"), "another sha256"),
        ("/model.tflite", Redirect("http://models.example.org/model.tflite"), "not https"),
        ("/model.tflite", Stall(500), "sent nothing"),
        ("/model.tflite", Drip(every_s=0.05, size=20), "only"),
        ("/model.tflite", Truncate(0), "ended"),
        ("/model.tflite", Longer(100), "another sha256"),
        ("/model.tflite", Endless(), "more than"),
    ],
)
def test_a_fault_of_the_server_is_temporary_and_costs_nothing(rig, server, tmp_path, path, fault, reason):
    import re

    two(server, tmp_path)
    rig.restart(max_bytes=100_000)
    server.fault(path, fault)
    if path == "/manifest.json":
        with pytest.raises(SourceError, match=reason):
            rig.check()
    else:
        assert rig.check()["taken"]
    assert re.search(reason, rig.until("failed").reason)
    assert rig.runs == rig.would_run == "colours 1.0" and rig.store.read_state().rejections == ()
    server.mend()
    rig.check()
    rig.until("committed")
    assert rig.runs == "colours 2.0"


def test_a_server_that_packs_what_it_sends_is_at_fault_and_not_the_model(tmp_path, server):
    """It was asked for the bytes as they are, and does not heed that."""
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    server.put("/colours.tflite", gzip.compress(made_models.good(2)), headers={"Content-Encoding": "gzip"})
    server.put("/dict.txt", b"red\ngreen\nblue\n")
    with Rig(tmp_path / "device", server.url("/colours.tflite"), installed=installed) as rig:
        rig.check()
        assert "sends the file packed (gzip)" in rig.until("failed").reason
        assert "refused" not in rig.states
        server.put("/colours.tflite", made_models.good(2))
        rig.check()
        rig.until("committed")


def test_a_broken_download_goes_on_where_it_was_after_a_restart(rig, server, tmp_path):
    two(server, tmp_path)
    server.fault("/model.tflite", Truncate(600), times=1)
    server.fault("/model.tflite", Status(503), times=1)
    rig.check()
    rig.until("failed")
    rig.restart()
    rig.check()
    rig.until("committed")
    assert server.asked("/model.tflite")[-1].headers["range"] == "bytes=600-"


def test_a_set_that_changes_while_it_is_fetched_is_fetched_again(rig, server, tmp_path):
    """The label file of the first set is replaced after its model was fetched, together with the model."""
    two(server, tmp_path, hashes=False)
    labels = server.files["/dict.txt"]

    def replaced(request):
        server.routes.clear()
        server.put("/model.tflite", made_models.good(33))
        server.put("/dict.txt", b"rot\ngruen\nblau\n")
        return Status(200, labels.body, {"ETag": labels.etag})

    server.route("GET", "/dict.txt", replaced)
    rig.check()
    rig.until("committed")
    assert rig.labeler.labels == ("rot", "gruen", "blau")
    assert rig.labeler.bundle.read_model() == made_models.good(33)
    assert "failed" not in rig.states


def test_a_server_that_wants_rest_is_left_alone(rig, server, tmp_path):
    two(server, tmp_path)
    server.fault("/manifest.json", Status(429, headers={"Retry-After": "3000"}))
    rig.restart(interval_s=1.0)
    rig.until("failed")
    assert 2990 < rig.updater._schedule.wait_s <= 3000
    server.mend()
    rig.check()
    rig.until("committed")


def test_errors_are_told_once_and_tried_again_later_each_time(rig, server):
    rig.restart(interval_s=1.0)
    for _ in range(6):
        with pytest.raises(SourceError):
            rig.check()
    assert rig.states == ["failed"]
    assert rig.updater._schedule.wait_s > 10


def on_a_small_disk(folder, size, script):
    """What a program prints that runs on a file system of this size, in a namespace of its own."""
    prepared = """
import shutil
from pathlib import Path
from support import made_models
from support.rig import Rig, publish
from support.model_server import Longer, ModelServer, Status, Truncate
"""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    mounted = f"mount -t tmpfs -o size={size} tmpfs '{folder}' && cd '{folder}' && exec '{sys.executable}' -c \"$0\""
    command = ["unshare", "-m", "sh", "-c", mounted, prepared + script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, env=CHILD_ENVIRONMENT)
    if "unshare:" in found.stderr or "mount:" in found.stderr:
        pytest.skip(f"no mount namespace here: {found.stderr.strip()}")
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_a_full_disk_is_seen_before_the_download(tmp_path):
    """On a file system that has less room than is kept free beside a model."""
    said = on_a_small_disk(
        tmp_path,
        "8m",
        """
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", model=made_models.good(2))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        rig.check()
        print(rig.until("failed").reason, rig.runs, len(server.asked("/model.tflite", "GET")))
""",
    )
    assert "make room" in said and said.endswith("shipped 1.0 0")


@pytest.mark.parametrize(("announced", "most_bytes"), [(True, 1_000_000), (False, 12_000_000)])
def test_a_model_of_unknown_size_does_not_fill_the_disk(tmp_path, announced, most_bytes):
    """The manifest gives a hash and no size; the server says at the download how much it sends, or not even then."""
    said = on_a_small_disk(
        tmp_path,
        "24m",
        f"""
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", model=made_models.good(2))
    server.fault("/model.tflite", Longer(40_000_000, announced={announced}))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        before = shutil.disk_usage(".").free
        least = [before]
        report_status = rig.report_status
        rig.report_status = lambda shown: (least.append(shutil.disk_usage(".").free), report_status(shown))
        rig.check()
        print(rig.until("failed").reason)
        print(before - min(least) < {most_bytes}, before - shutil.disk_usage(".").free < 1_000_000)
        print(rig.store.read_state().rejections)
""",
    )
    assert "make room" in said and said.endswith("True True\n()"), said


def test_what_came_goes_where_the_disk_is_full_in_the_middle(rig, server, tmp_path):
    """Another program took the rest."""
    with pytest.raises(SourceError):
        rig.check()  # opens the source
    two(server, tmp_path)

    def full(offer, folder, progress):
        (folder / "model.tflite.part").write_bytes(bytes(1000))
        raise OSError(28, "No space left on device", str(folder))

    source, fetch = rig.updater._source, rig.updater._source.fetch
    source.fetch = full
    rig.check()
    assert "No space left" in rig.until("failed", 2).reason
    assert not any((rig.state / "downloads").iterdir())
    source.fetch = fetch
    rig.check()
    rig.until("committed")


def test_what_came_already_counts_when_a_download_goes_on(tmp_path):
    """The disk has room for the rest, not for all once more."""
    said = on_a_small_disk(
        tmp_path,
        "40m",
        """
with ModelServer() as server:
    publish(server, Path("made"), version="2.0", hashes=False)
    server.put("/model.tflite", bytes(7_000_000))
    faults = iter([Truncate(6_000_000), Status(503)])
    server.route("GET", "/model.tflite", lambda request: next(faults, None))
    with Rig(Path("device"), server.url("/manifest.json")) as rig:
        rig.check()
        print(rig.until("failed").reason)
        rig.check()
        print(rig.until("refused").reason)
        print([request.headers.get("range") for request in server.asked("/model.tflite", "GET")])
""",
    )
    assert "make room" not in said and said.endswith("[None, 'bytes=6000000-', 'bytes=6000000-']"), said


# Kills, in the small (test_update_kills.py has the table)


def test_a_candidate_that_the_program_does_not_survive_is_given_up(rig, server, tmp_path):
    """As a model that ends the process while it is warmed: the process is gone, and the journal says in what."""
    from appliance.system.device_id import boot_id

    two(server, tmp_path)
    rig.warming = lambda: (_ for _ in ()).throw(SystemExit)
    journal = rig.state / "update.json"
    rig.check()
    rig._thread.join(20)
    died = json.loads(journal.read_text())
    assert (died["entry"]["step"], died["entry"]["tries"], died["entry"]["boot"]) == ("warming", 1, boot_id())
    rig.start()
    rig.until("probing", 2)
    rig._thread.join(20)
    assert json.loads(journal.read_text())["entry"]["tries"] == 2
    rig.start()
    assert "did not survive it 2 times" in rig.until("refused").reason
    assert rig.runs == rig.would_run == "colours 1.0"


def test_an_orderly_stop_in_the_middle_counts_for_nothing_and_the_way_goes_on(rig, server, tmp_path):
    two(server, tmp_path)
    rig.stop()
    for number in range(3):
        reached, go_on = threading.Event(), threading.Event()
        rig.warming = lambda reached=reached, go_on=go_on: (reached.set(), go_on.wait(20))
        rig.start()
        if number == 0:  # then it goes on by itself
            rig.check()
        assert reached.wait(20)
        rig.updater.stop()
        go_on.set()
        rig.stop()
        assert rig.would_run == "colours 1.0"
    rig.warming = lambda: None
    rig.start()
    rig.until("committed")
    assert rig.runs == "colours 2.0" and "refused" not in rig.states


def test_what_the_owner_asked_for_goes_on_after_a_restart(tmp_path, server):
    two(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), install="ask") as rig:
        server.fault("/model.tflite", Status(503), times=1)
        with pytest.raises(SourceError):
            rig.install()
        rig.restart()
        rig.until("committed")
        assert rig.runs == "colours 2.0"


@pytest.mark.parametrize("verdict", ["refused", "committed"])
def test_a_verdict_that_was_only_written_down_is_carried_out_at_the_start_without_asking_anybody(
    rig, server, tmp_path, verdict
):
    rig.restart(probation_s=60.0)
    if verdict == "committed":
        rig.outcome = (5.0,)
        trial(rig, server, tmp_path)
    rig.stop()
    journal = rig.state / "update.json"
    offer = rig.store.read_state().current.offer or "an offer"
    entry = {"step": verdict, "hash": offer, "version": "2.0", "sha256": None, "reason": "it is broken"}
    journal.write_text(json.dumps({"format": 1, "entry": entry}))
    asked = len(server.requests)
    rig.start()
    assert rig.until(verdict).version == "2.0"
    wait_until(lambda: json.loads(journal.read_text())["entry"] is None, "nothing is left to do")
    assert len(server.requests) == asked and not rig.store.read_state().probation
    assert (rig.store.rejection(offer) is not None) == (verdict == "refused")


def test_a_verdict_that_the_disk_refused_is_carried_out_when_there_is_room_again(rig, server, tmp_path):
    """A file in the place of the folder that the store would lock."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    trial(rig, server, tmp_path)
    lock = rig.state / "models/.lock"
    lock.unlink()
    lock.mkdir()
    rig.outcome = (5.0, "scores that are no numbers")
    rig.frames(1, *rig.outcome)
    journal = rig.state / "update.json"
    wait_until(lambda: json.loads(journal.read_text())["entry"]["step"] == "rolled_back", "the verdict is on disk")
    assert "rolled_back" not in rig.states
    rig.restart()
    lock.rmdir()
    assert "no numbers" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 1.0"


def test_a_damaged_journal_is_set_right(rig, server, tmp_path):
    two(server, tmp_path)
    for content in ("", "{", "[]", '{"format": 1, "entry": {"step": 1}}', '{"format": 7}'):
        rig.stop()
        (rig.state / "update.json").write_text(content)
        rig.start()
    rig.check()
    rig.until("committed")
