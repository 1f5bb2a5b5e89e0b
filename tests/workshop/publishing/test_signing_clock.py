"""Which times may sign."""

from datetime import UTC, datetime, timedelta

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.signing_clock import require_plausible_clock

NOW = datetime.now(UTC)
DATE = "%a, %d %b %Y %H:%M:%S GMT"


@pytest.mark.parametrize(
    ("now", "signed_at", "served", "reason"),
    [
        (datetime(1970, 1, 2, tzinfo=UTC), None, None, "1970-01-02 .*before .* program was installed"),
        (NOW, NOW + timedelta(hours=2), None, "before the time at which the site was signed last"),
        (NOW + timedelta(days=3650), NOW, None, "3650 days after the site was signed last"),
        (NOW + timedelta(days=3650), None, NOW, "and that of the server"),
        (NOW, None, NOW + timedelta(hours=2), "and that of the server"),
    ],
)
def test_wrong_clock_is_one_sentence_with_the_remedy(now, signed_at, served, reason):
    with pytest.raises(PublishError, match=f"{reason}.*--trust-clock") as caught:
        require_plausible_clock(now, signed_at, f"{served:{DATE}}" if served else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("signed_at", "served"),
    [
        (None, None),
        (NOW - timedelta(days=390), f"{NOW:{DATE}}"),
        (NOW + timedelta(minutes=50), "yesterday"),
        (datetime(1, 1, 1, tzinfo=UTC) + (NOW - datetime(1, 1, 2, tzinfo=UTC)), "\ud800"),
    ],
    ids=["never", "long_ago", "future", "day_before"],  # not the times, which differ between the test's processes
)
def test_plausible_clock_may_sign(signed_at, served):
    require_plausible_clock(NOW, signed_at, served)
