"""Test outcomes of updates: refusals, and what a restart applies."""

import json

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import UpdateError
from appliance.updates.journal import Journal, JournalEntry
from appliance.updates.resolution import Resolution
from appliance.updates.steps import UpdateState
from appliance.updates.store.store import Store
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.rig import publish, publish_second, start_probation


def test_install_retries_a_refused_model(rig, server, tmp_path):
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


def test_refusal_ends_with_another_offer(rig, server, tmp_path):
    """Even if the other offer was not new: the operator went back to the running model, then offers the refused one."""
    publish_second(server, tmp_path)
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
    publish_second(server, tmp_path / "again")
    assert rig.check()["current"] and rig.store.read_state().rejections == ()
    publish(server, tmp_path / "three again", version="3.0", model=made_models.good(3))
    assert rig.check()["taken"]


def test_refused_bundle_with_other_validators_stays_refused(rig, server, tmp_path):
    """A server may send different validators for the same bytes at each request."""
    publish(server, tmp_path / "bad", version="2.0", model=made_models.good(2), hashes=False)
    rig.restart(probation_s=60.0)
    rig.check()
    rig.until("probation")
    rig.outcome = (5.0, "scores that are no numbers")
    rig.until("rolled_back")
    rig.outcome = None
    server.put("/model.tflite", made_models.good(2), etag='"put-up-again"')
    rig.check()
    assert "the same bundle was refused before" in rig.until("refused").reason
    assert rig.states.count("swapped") == 1


@pytest.mark.parametrize("action", ["refused", "committed"])
def test_written_outcome_is_carried_out_at_start(rig, server, tmp_path, action):
    rig.restart(probation_s=60.0)
    if action == "committed":
        rig.outcome = (5.0,)
        start_probation(rig, server, tmp_path)
    rig.stop()
    journal = rig.state / "update.json"
    offer = rig.store.read_state().current.offer or "an offer"
    entry = {"step": action, "hash": offer, "version": "2.0", "sha256": None, "reason": "it is broken"}
    journal.write_text(json.dumps({"format": 1, "entry": entry}))
    asked = len(server.requests)
    rig.start()
    assert rig.until(action).version == "2.0"
    wait_until(lambda: json.loads(journal.read_text())["entry"] is None, "nothing is left to do")
    assert len(server.requests) == asked and not rig.store.read_state().probation
    assert (rig.store.rejection(offer) is not None) == (action == "refused")


def test_outcome_is_carried_out_when_the_disk_allows(rig, server, tmp_path):
    """A file replaces the folder that the store must lock."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    lock = rig.state / "models/.lock"
    lock.unlink()
    lock.mkdir()
    rig.outcome = (5.0, "scores that are no numbers")
    rig.frames(1, *rig.outcome)
    journal = rig.state / "update.json"
    wait_until(lambda: json.loads(journal.read_text())["entry"]["step"] == "rolled_back", "the outcome is on disk")
    assert "rolled_back" not in rig.states
    rig.restart()
    lock.rmdir()
    assert "no numbers" in rig.until("rolled_back").reason
    assert rig.runs == rig.would_run == "colours 1.0"


def test_model_replaced_by_the_owner_in_recovery_is_reported(rig, server, tmp_path):
    """The process died right after the swap; at the next start the owner is as fast as the report about it."""
    rig.restart(probation_s=60.0)
    rig.outcome = (5.0,)
    start_probation(rig, server, tmp_path)
    rig.stop()
    journal, offer = rig.state / "update.json", rig.store.read_state().current.offer
    entry = {"step": "swapping", "hash": offer, "version": "2.0", "sha256": None}
    journal.write_text(json.dumps({"format": 1, "entry": entry}))
    report = rig.report_step

    def go_back(step):
        report(step)
        if step.state == "swapped" and rig.store.read_state().probation:
            rig.store.rollback("the owner asks")
            rig.store.forget_rejections()

    rig.report_step = go_back
    rig.start()
    assert "another model" in rig.until("rolled_back").reason
    wait_until(lambda: json.loads(journal.read_text())["entry"] is None, "nothing is left to do")


class StoreHost:
    """A host that rolls back the store and records what is reported."""

    def __init__(self, store):
        self._store, self.steps, self.reloads = store, [], 0

    def rollback(self, reason):
        self._store.rollback(reason)

    def reload_current(self, change):
        change()
        self.reloads += 1

    def report_step(self, step):
        self.steps.append(step)


@pytest.mark.parametrize("on_probation", [True, False])
def test_rollback_is_reported_only_when_another_model_runs(tmp_path, on_probation):
    (tmp_path / "state").mkdir()
    store = Store(tmp_path / "state", bundle_folder(tmp_path / "bundled"))
    model = store.install(read_bundle(bundle_folder(tmp_path / "two", version="2.0")), "a test", probation=on_probation)
    host = StoreHost(store)
    journal = Journal(tmp_path / "state")
    entry = JournalEntry(UpdateState.ROLLED_BACK, model.key, model.version, model.sha256, reason="it fails")
    for _ in range(2):  # the second time, as after a kill between the rollback and its report
        Resolution(journal, store, host).rollback(entry)
        assert store.read_state().current is None
    assert [step.state for step in host.steps] == ["rolled_back"] * 2
    assert host.reloads == 1
    assert store.rejection(model.key).reason == "it fails"
