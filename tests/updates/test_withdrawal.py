"""Test that a model on probation is taken back when its source no longer offers it."""

from dataclasses import replace

import pytest

from appliance.errors import SourceError, SourceGoneError
from appliance.updates.schedule import PROBATION_CHECK_S
from appliance.updates.sources.source import Offer
from appliance.updates.store.state import InstalledModel
from appliance.updates.withdrawal import find_withdrawal, may_be_same
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.model_server import Status
from support.rig import Rig, publish, publish_second, start_probation

CURRENT = InstalledModel("a" * 64, "colours", "2.0", "b" * 64, "a test", "2026-01-01T00:00:00.000Z", offer="second")


@pytest.fixture
def covered(rig, server, tmp_path):
    """A device whose camera is covered while 2.0 is on probation; its source offered 1.0 before."""
    rig.restart(probation_s=600.0)
    start_probation(rig, server, tmp_path)
    return rig


@pytest.mark.parametrize(
    ("offer", "is_gone", "reason"),
    [
        (Offer("second"), False, None),
        (None, True, "no longer offers"),
        (None, False, None),
        (Offer("third", version="3.0"), False, "offers 3.0 instead"),
        (Offer("third", sha256="c" * 64), False, "instead"),
        (Offer("third", version="2.0", sha256="b" * 64), False, None),
        (Offer("third", is_bound=False), False, None),
        (Offer("third", version="3.0", is_bound=False), False, "instead"),
    ],
)
def test_withdrawal(offer, is_gone, reason):
    found = find_withdrawal(offer, CURRENT, is_gone)
    assert found is None if reason is None else reason in found
    assert find_withdrawal(offer, replace(CURRENT, offer=None), is_gone) is None
    assert offer is None or offer.hash == "second" or may_be_same(offer, CURRENT) == (reason is None)


def test_bad_model_is_taken_back_while_the_camera_is_covered(covered, server, tmp_path):
    publish(server, tmp_path / "v1-again", version="1.0", model=made_models.good(1))
    answer = covered.check()
    assert answer["taken_back"] == "2.0" and not answer["taken"]
    assert covered.runs == covered.would_run == "colours 1.0"
    assert covered.states[-1] == "rolled_back" and "offers 1.0 instead" in covered.steps[-1].reason
    assert covered.store.read_state().rejections == ()
    server.mend()
    publish_second(server, tmp_path / "again")
    assert covered.check()["taken"]
    covered.until("swapped", 2)
    assert covered.runs == "colours 2.0"


@pytest.mark.parametrize("status", [404, 410])
def test_removed_offer_is_taken_back_and_may_return(covered, server, status):
    server.fault("/manifest.json", Status(503))
    with pytest.raises(SourceError):
        covered.check()
    assert covered.runs == "colours 2.0"
    server.mend()
    server.fault("/manifest.json", Status(status))
    with pytest.raises(SourceGoneError, match="2.0 was taken back"):
        covered.check()
    assert covered.runs == covered.would_run == "colours 1.0" and covered.store.read_state().rejections == ()
    assert "rolled_back" in covered.states and covered.states[-1] == "failed"
    server.mend()
    assert covered.check()["taken"]
    covered.until("swapped", 2)
    assert covered.runs == "colours 2.0"


def test_newer_fix_replaces_a_model_on_probation_at_once(covered, server, tmp_path):
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    covered.check()
    covered.until("swapped", 2)
    state = covered.store.read_state()
    assert covered.runs == "colours 3.0" and state.previous.version == "1.0" and state.rejections == ()
    assert covered.states.count("rolled_back") == 1


def test_owner_installs_a_fix_during_a_probation(covered, server, tmp_path):
    publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
    answer = covered.install("3.0")
    assert answer["taken"] and answer["taken_back"] == "2.0" and covered.runs == "colours 3.0"


def test_same_model_under_another_validator_stays_on_probation(tmp_path, server):
    installed = bundle_folder(tmp_path / "v1", version="1.0", model=made_models.good(1))
    zipped = made_models.good(2)
    server.put("/colours.tflite", zipped, etag='"one"')
    server.put("/colours.txt", (installed / "dict.txt").read_bytes())
    with Rig(tmp_path / "device", server.url("/colours.tflite"), installed=installed, probation_s=600.0) as rig:
        rig.check()
        rig.until("probation")
        runs = rig.runs
        server.put("/colours.tflite", zipped, etag='"two"')
        rig.check()
        rig.until("probation", 2)
        assert rig.runs == runs and "rolled_back" not in rig.states and rig.store.read_state().probation
        server.put("/colours.tflite", made_models.good(5), etag='"three"')
        rig.check()
        rig.until("swapped", 2)
        assert rig.runs != runs and rig.store.read_state().rejections == ()


def test_kill_during_the_withdrawal_takes_the_model_back_at_the_next_start(covered, server, tmp_path):
    publish(server, tmp_path / "v1-again", version="1.0", model=made_models.good(1))

    def die(reason, refuse=True):
        raise SystemExit

    rollback, covered.rollback = covered.rollback, die
    covered.updater.check()
    covered._thread.join(20)
    covered.rollback = rollback
    covered.start()
    covered.until("rolled_back")
    assert covered.runs == "colours 1.0" and covered.store.read_state().rejections == ()


def test_source_is_asked_every_minute_during_a_probation(tmp_path, server):
    times = [1000.0]
    publish_second(server, tmp_path)
    rig = Rig(tmp_path / "device", server.url("/manifest.json"), probation_s=600.0, interval_s=3600.0)
    rig.start(clock=lambda: times[0])
    try:
        rig.check()
        rig.until("probation")
        before = len(server.requests)
        publish(server, tmp_path / "three", version="3.0", model=made_models.good(3))
        wait_until(lambda: rig.updater._schedule.wait_s <= PROBATION_CHECK_S, "the next check is scheduled")
        times[0] += PROBATION_CHECK_S
        rig.until("swapped", 2)
        assert rig.runs == "colours 3.0"
        assert server.requests[before].headers["if-none-match"]
        rig.until("probation", 2)
        wait_until(lambda: rig.updater._schedule.wait_s <= PROBATION_CHECK_S, "the next check is scheduled")
        before = len(server.requests)
        times[0] += PROBATION_CHECK_S
        rig.updater.notify_store_changed()
        wait_until(lambda: len(server.requests) > before, "the source is asked again")
        assert [request.status for request in server.requests[before:]] == [304]
    finally:
        rig.stop()
