"""The end of the Firebase ML service, and the notice about it."""

from datetime import date

from appliance.settings.schema import UpdateSettings

# Google's date for the end of the custom-model downloader and of the management of its models.
FIREBASE_ML_END = date(2027, 6, 15)


def shutdown_notice(settings: UpdateSettings, today: date) -> str | None:
    """Return what the owner of a device with these settings should know in time, None if nothing."""
    if settings.source != "firebase-ml":
        return None
    ends = "was shut down" if today >= FIREBASE_ML_END else "is shut down"
    return (
        f"Firebase ML {ends} on {FIREBASE_ML_END}: serve the model from a static address instead "
        "(update.source = 'url', or 'repository' for signed models)"
    )
