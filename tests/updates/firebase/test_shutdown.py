"""Test the notice about the shutdown of Firebase ML."""

from datetime import date

from appliance.settings.schema import UpdateSettings
from appliance.updates.firebase.shutdown import shutdown_notice


def test_notice_before_and_after_the_end():
    settings = UpdateSettings(source="firebase-ml")
    assert shutdown_notice(settings, date(2026, 1, 1)).startswith(
        "Firebase ML will be shut down on 2027-06-15; serve the model from"
    )
    assert shutdown_notice(settings, date(2027, 6, 15)).startswith("Firebase ML was shut down on 2027-06-15")
    assert shutdown_notice(UpdateSettings(source="url"), date(2028, 1, 1)) is None
