"""Test which models the updater takes back; test_withdrawal.py covers the whole way."""

from types import SimpleNamespace

import pytest

from appliance.updates.reporter import UpdateReporter
from appliance.updates.sources.source import Offer
from appliance.updates.store.state import InstalledModel
from appliance.updates.take_back import TakeBack

CURRENT = InstalledModel("a" * 64, "colours", "2.0", "b" * 64, "a test", "2026-01-01T00:00:00.000Z", offer="second")


@pytest.mark.parametrize("is_gone", [True, False])
def test_pause_keeps_the_model_and_a_withdrawal_does_not(is_gone):
    reasons = []
    monitor = SimpleNamespace(is_active=True, take_back=lambda reason: bool(reasons.append(reason)) or True)
    store = SimpleNamespace(read_state=lambda: SimpleNamespace(current=CURRENT))
    take_back = TakeBack(store, monitor, UpdateReporter(None, lambda: False))
    source = SimpleNamespace(has_withdrawn=lambda offer_hash: is_gone and offer_hash == "second")
    assert take_back.run_if_withdrawn(source, None) == ("2.0" if is_gone else None)
    assert len(reasons) == is_gone
    assert take_back.run_if_withdrawn(source, Offer("second")) is None
    monitor.is_active = False
    assert take_back.run_if_withdrawn(source, Offer("third")) is None
