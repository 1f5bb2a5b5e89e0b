"""Test the counts of the current day."""

import pytest

from appliance.messaging.label_counts import LabelCounts
from support.messaging import NOON

DAY_S = 86_400


class Clock:
    """A clock that the test sets."""

    now_s = NOON

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_starts_are_counted_across_restarts(tmp_path, clock):
    counts = LabelCounts(tmp_path / "today.json", clock)
    counts.record_start("cat", NOON)
    counts.record_start("cat", NOON + 10)
    counts.record_end("cat", NOON + 20)
    again = LabelCounts(tmp_path / "today.json", clock)
    assert (again.count("cat"), again.last_seen_s("cat"), again.count("dog")) == (2, NOON + 20, 0)
    assert again.last_seen_s("dog") is None


def test_new_day_starts_at_0_and_keeps_the_time(tmp_path, clock):
    counts = LabelCounts(tmp_path / "today.json", clock)
    counts.begin_day()
    counts.record_start("cat", NOON)
    assert not counts.begin_day()
    clock.now_s += DAY_S
    assert counts.begin_day()
    assert (counts.count("cat"), counts.last_seen_s("cat")) == (0, NOON)


def test_labels_of_another_model_are_forgotten(tmp_path, clock):
    counts = LabelCounts(tmp_path / "today.json", clock)
    counts.record_start("cat", NOON)
    counts.keep(["dog"])
    assert (counts.count("cat"), counts.last_seen_s("cat")) == (0, None)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"date": 1, "counts": [], "last_seen": {}}', '{"date": "x", "counts": {}, "last_seen": {"a": NaN}}',
     '{"date": "x", "counts": {"a": "b"}, "last_seen": {}}', '{"date": "x", "counts": {}, "last_seen": {"a": 1e300}}'],
)  # fmt: skip
def test_damaged_file_starts_at_0(tmp_path, clock, content, caplog):
    (tmp_path / "today.json").write_text(content)
    assert LabelCounts(tmp_path / "today.json", clock).count("a") == 0
    assert "today's counts start at 0" in caplog.text


def test_unwritable_file_is_logged_once(tmp_path, clock, caplog):
    counts = LabelCounts(tmp_path / "missing" / "today.json", clock)
    for _ in range(3):
        counts.record_start("cat", NOON)
    assert counts.count("cat") == 3 and caplog.text.count("end with a restart") == 1
