"""The count of rows that are set aside: exact, and logged without a flood."""

from pathlib import Path

from appliance.messaging.outbox.set_aside_count import SetAsideCount
from support.outbox import count_logged


def test_every_row_is_counted_and_the_log_grows_with_the_digits(caplog):
    count = SetAsideCount(Path("outbox.db"))
    count.add("events", [])
    assert count_logged(caplog, "cannot be used") == 0
    for _ in range(1200):
        count.add("events", ["its payload is\x1b[31m not JSON"])
    count.add_logged(3)
    assert count.total == 1203
    assert count_logged(caplog, "cannot be used") == 4  # 1, 10, 100, 1000
    assert count_logged(caplog, "its payload is not JSON") == 4
