"""Test the log of conditions: begin, change, end."""

from appliance.messaging.mqtt.conditions import ConditionLog


def messages(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_condition_is_logged_when_it_begins_changes_and_ends(caplog):
    caplog.set_level("INFO")
    conditions = ConditionLog()
    for description in ("a", "a", "b", None, None):
        conditions.report("key", description)
    assert messages(caplog) == [("WARNING", "a"), ("WARNING", "b"), ("INFO", "resolved: b")]


def test_summary_joins_all_conditions():
    conditions = ConditionLog()
    assert conditions.summary is None
    conditions.report("one", "first")
    conditions.report("two", "second")
    assert conditions.summary == "first; second"
    conditions.report("one", None)
    assert conditions.summary == "second"


def test_removed_condition_is_not_logged(caplog):
    caplog.set_level("INFO")
    conditions = ConditionLog()
    conditions.report("key", "a")
    conditions.remove("key")
    conditions.remove("key")
    assert messages(caplog) == [("WARNING", "a")]
    assert conditions.summary is None
