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


def test_changed_number_is_no_new_condition(caplog):
    caplog.set_level("INFO")
    conditions = ConditionLog()
    for size in (60_001, 60_002, 7):
        conditions.report("size", f"a message of {size} bytes is too large")
    assert messages(caplog) == [("WARNING", "a message of 60001 bytes is too large")]
    assert conditions.summary == "a message of 7 bytes is too large"


def test_condition_that_comes_and_goes_is_not_logged_without_end(caplog):
    caplog.set_level("INFO")
    now_s = [0.0]
    conditions = ConditionLog(lambda: now_s[0])
    for _ in range(100):
        conditions.report("size", "too large")
        conditions.report("size", None)
        now_s[0] += 1
    assert len(messages(caplog)) == 12
    assert "not logged" in messages(caplog)[-2][1]
    now_s[0] += 700
    conditions.report("size", "too large")
    assert len(messages(caplog)) == 13


def test_condition_with_foreign_text_is_not_logged_without_end(caplog):
    conditions = ConditionLog()
    for number in range(100):
        conditions.report("connection", f"failed ({chr(65 + number % 26) * (number + 1)})")
    assert len(messages(caplog)) == 6


def test_fact_is_mentioned_once(caplog):
    conditions = ConditionLog()
    for _ in range(3):
        conditions.mention("qos", "QoS 0 only")
    assert messages(caplog) == [("WARNING", "QoS 0 only")]
    assert conditions.summary is None
