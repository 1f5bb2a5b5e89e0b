"""RFC 3339 timestamps: one form is written, every form is read."""

import time

import pytest

from appliance.system.timestamps import now_rfc3339, parse_rfc3339, to_rfc3339


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1769860800.1239, "2026-01-31T12:00:00.123Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
    ],
)
def test_time_is_written_with_milliseconds(unix_s, text):
    assert to_rfc3339(unix_s) == text


def test_time_is_written_in_whole_seconds_on_request():
    assert to_rfc3339(1769860800.9, "seconds") == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00.123Z", "2026-01-31T13:30:00.123+01:30"])
def test_time_with_any_offset_is_read(text):
    assert parse_rfc3339(text) == pytest.approx(1769860800.123)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00"])
def test_text_that_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"offset|isoformat|month"):
        parse_rfc3339(text)


def test_now_is_the_clocks_time():
    before_s = time.time()
    assert before_s - 0.001 <= parse_rfc3339(now_rfc3339()) <= time.time()


def test_year_out_of_range_is_an_error():
    with pytest.raises((ValueError, OverflowError, OSError)):
        to_rfc3339(1e20)
