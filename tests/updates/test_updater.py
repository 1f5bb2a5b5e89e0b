"""Test the updater with the url source: checks, requests, errors and restarts."""

from dataclasses import replace

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import SourceError, UpdateError
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.model_server import (
    Body,
    Drip,
    Endless,
    Longer,
    Redirect,
    Stall,
    Status,
    Truncate,
)
from support.rig import STEPS, Rig, publish, publish_second


def test_newer_model_is_installed_step_by_step(rig, server, tmp_path):
    publish_second(server, tmp_path)
    assert rig.check() == {"offered": "2.0", "taken": True, "current": False, "reason": None}
    done = rig.until("committed")
    assert rig.states == STEPS and rig.runs == rig.would_run == "colours 2.0"
    assert done.version == "2.0" and done.sha256 == rig.labeler.identity.sha256
    assert {step.version for step in rig.steps} == {"2.0"}
    assert not any((rig.state / "downloads").iterdir())
    assert rig.check() == {"offered": "2.0", "taken": False, "current": True, "reason": None}


def test_checks_run_at_start_and_every_interval(tmp_path, server):
    publish_second(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), interval_s=1.0) as rig:
        rig.until("committed")
        publish_second(server, tmp_path, salt=3, hashes=True, name="colours")
        server.mend()
        publish(server, tmp_path / "three", version="3.0", model=made_models.good(4))
        rig.until("committed", 2)
        assert rig.runs == "colours 3.0"


def test_installed_model_is_not_fetched_after_restart(rig, server, tmp_path):
    publish_second(server, tmp_path, hashes=False)
    rig.check()
    rig.until("committed")
    rig.restart()
    fetched = len(server.asked("/model.tflite", "GET"))
    assert rig.check()["current"]
    assert len(server.asked("/model.tflite", "GET")) == fetched


def test_blocked_delivery_stops_checks_and_probation(rig, server, tmp_path):
    rig.restart(interval_s=0.05, probation_s=60.0)
    publish_second(server, tmp_path)
    rig.until("probation")
    rig.blocked_by = "the settings name the model"
    rig.updater.notify_store_changed()
    with pytest.raises(UpdateError, match="the settings name the model"):
        rig.check()
    before = len(server.requests)
    rig.frames(1, 5.0, "scores that are no numbers")
    with pytest.raises(UpdateError, match="the settings name the model"):
        rig.install()
    assert len(server.requests) == before and "rolled_back" not in rig.states
    rig.blocked_by = None
    rig.updater.notify_store_changed()
    rig.until("rolled_back")
    wait_until(lambda: len(server.requests) > before, "the source is checked again")


def test_downgrade_needs_allow_downgrade(rig, server, tmp_path):
    publish(server, tmp_path / "old", version="0.9", model=made_models.good(9))
    answer = rig.check()
    assert not answer["taken"] and "0.9 is older than the running version 1.0" in answer["reason"]
    with pytest.raises(UpdateError, match="allow_downgrade"):
        rig.install()
    assert rig.steps == [] and not server.asked("/model.tflite", "GET")
    rig.restart(allow_downgrade=True)
    rig.check()
    rig.until("committed")
    assert rig.runs == "colours 0.9"


def test_running_version_with_other_contents_is_skipped(rig, server, tmp_path):
    publish(server, tmp_path / "same", version="1.0", model=made_models.good(9))
    assert "higher" in rig.check()["reason"]
    assert rig.steps == []


def test_bundled_version_does_not_restrict_other_models(tmp_path, server):
    publish(server, tmp_path / "other", name="colours", version="0.1", model=made_models.good(9))
    with Rig(tmp_path / "device", server.url("/manifest.json")) as rig:  # bundled: shipped 1.0
        rig.check()
        rig.until("committed")
        assert rig.runs == "colours 0.1"


def test_ask_waits_for_the_owner(tmp_path, server):
    installed = bundle_folder(tmp_path / "v1", version="1.0")
    publish_second(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), installed=installed, install="ask") as rig:
        assert rig.check() == {"offered": "2.0", "taken": False, "current": False, "reason": None}
        assert rig.check()["offered"] == "2.0"
        assert (
            rig.states == ["available"]
            and rig.statuses[-1].latest_version == "2.0"
            and not rig.statuses[-1].in_progress
        )
        with pytest.raises(UpdateError, match="offers 2.0, not 3.0"):
            rig.install("3.0")
        assert rig.runs == "colours 1.0"
        assert rig.install("2.0")["taken"]
        assert rig.runs == "colours 2.0"
        rig.until("committed")
        with pytest.raises(UpdateError, match="already installed"):
            rig.install("latest")


def test_new_variant_of_running_model_needs_no_download(rig, server, tmp_path):
    publish_second(server, tmp_path)
    rig.check()
    rig.until("committed")
    source = rig.updater._source
    before = source.check
    source.check = lambda requested: replace(before(requested), variant="b", experiment="brightness")
    rig.check()
    assert (rig.labeler.identity.variant, rig.labeler.identity.experiment) == ("b", "brightness")
    assert rig.states == STEPS


def test_new_variant_is_not_linked_to_a_model_installed_later(rig, server, tmp_path):
    """The owner installs one while the updater waits for the store to forget a refusal."""
    publish_second(server, tmp_path)
    rig.check()
    rig.until("committed")
    rig.store.reject("another offer", "3.0", "it is slow")
    source, own = rig.updater._source, read_bundle(bundle_folder(tmp_path / "own", version="9.0"))
    before, forget = source.check, rig.store.forget_rejections

    def install_own(**kept):
        rig.store.install(own, "the owner")
        forget(**kept)

    source.check = lambda requested: replace(before(requested), variant="b", experiment="brightness")
    rig.store.forget_rejections = install_own
    assert rig.check()["current"]
    current = rig.store.read_state().current
    assert (current.version, current.offer, current.variant) == ("9.0", None, None)


@pytest.mark.parametrize(
    ("path", "fault", "reason"),
    [
        ("/manifest.json", Status(404), "not found"),
        ("/manifest.json", Status(403), "403"),
        ("/manifest.json", Status(500), "500"),
        ("/manifest.json", Body(b"<!doctype html><title>Sign in</title>", "text/html"), "not JSON|not a bundle"),
        ("/manifest.json", Redirect("http://models.example.org/manifest.json"), "not https"),
        ("/manifest.json", Stall(5), "sent nothing"),
        ("/manifest.json", Endless(), "more than"),
        ("/model.tflite", Status(404), "not found"),
        ("/model.tflite", Status(403), "403"),
        ("/model.tflite", Body(b"x" * 3000), "announced sha256"),
        ("/model.tflite", Body(b"<!doctype html>", "text/html"), "announced sha256"),
        ("/model.tflite", Redirect("http://models.example.org/model.tflite"), "not https"),
        ("/model.tflite", Stall(500), "sent nothing"),
        ("/model.tflite", Drip(every_s=0.05, size=20), "only"),
        ("/model.tflite", Truncate(0), "ended"),
        ("/model.tflite", Longer(100), "announced sha256"),
        ("/model.tflite", Endless(), "more than"),
    ],
)
def test_server_fault_is_temporary(rig, server, tmp_path, path, fault, reason):
    import re

    publish_second(server, tmp_path)
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


def test_retry_after_is_respected(rig, server, tmp_path):
    publish_second(server, tmp_path)
    server.fault("/manifest.json", Status(429, headers={"Retry-After": "3000"}))
    rig.restart(interval_s=1.0)
    rig.until("failed")
    assert 2990 < rig.updater._schedule.wait_s <= 3000
    server.mend()
    rig.check()
    rig.until("committed")


def test_errors_are_reported_once_and_back_off(rig, server):
    rig.restart(interval_s=1.0)
    for _ in range(6):
        with pytest.raises(SourceError):
            rig.check()
    assert rig.states == ["failed"]
    assert rig.updater._schedule.wait_s > 10


def test_requested_installation_continues_after_restart(tmp_path, server):
    publish_second(server, tmp_path)
    with Rig(tmp_path / "device", server.url("/manifest.json"), install="ask") as rig:
        server.fault("/model.tflite", Status(503), times=1)
        with pytest.raises(SourceError):
            rig.install()
        rig.restart()
        rig.until("committed")
        assert rig.runs == "colours 2.0"
