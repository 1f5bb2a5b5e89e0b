"""The notice about the shutdown of the Firebase ML service."""

from datetime import date

from appliance.settings.schema import UpdateSettings

# Google's shutdown date for the custom-model downloader and for model management.
FIREBASE_ML_END = date(2027, 6, 15)


def shutdown_notice(settings: UpdateSettings, today: date) -> str | None:
    """Return the notice for the owner of a device with these settings; None if there is none."""
    if settings.source != "firebase-ml":
        return None
    ends = "was shut down" if today >= FIREBASE_ML_END else "will be shut down"
    return (
        f"Firebase ML {ends} on {FIREBASE_ML_END}; serve the model from a static address instead "
        "(update.source = 'url', or 'repository' for signed models)"
    )
