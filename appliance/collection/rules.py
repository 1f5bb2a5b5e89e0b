"""The rules by which frames are collected, as far as they depend on the settings and the threshold alone."""

from appliance.settings.schema import CollectSettings

_OFF = (2.0, -1.0)


def find_score_range(settings: CollectSettings, threshold: float) -> tuple[float, float]:
    """Return the range of the best score within which a frame is kept; an empty one if the rule is off.

    Without settings it is from half of the threshold to halfway from the threshold to 1, because the scores of an
    unsure model are near its own threshold, wherever that is.

    Args:
        settings: The collect section.
        threshold: The threshold in force.
    """
    if settings.score_max == 0:
        return _OFF
    low = find_least_score(settings, threshold)
    if settings.score_max is None:
        return low, max(low, (threshold + 1) / 2)
    return min(low, settings.score_max), settings.score_max


def find_least_score(settings: CollectSettings, threshold: float) -> float:
    """Return the lowest best score that indicates an object."""
    return threshold / 2 if settings.score_min is None else settings.score_min


def describe_rules(settings: CollectSettings) -> str:
    """Return the rules in words, for the log."""
    low = "half of the threshold" if settings.score_min is None else f"{settings.score_min:g}"
    high = "halfway to 1" if settings.score_max is None else f"{settings.score_max:g}"
    rules = [
        (settings.score_max != 0, f"best score from {low} to {high}"),
        (settings.margin_max > 0, f"two best scores within {settings.margin_max:g}"),
        (settings.on_start, "start of a label"),
        (settings.every_s > 0, f"unlike everything kept, one every {settings.every_s:g} s"),
    ]
    enabled = ", ".join(rule for is_enabled, rule in rules if is_enabled) or "nothing, because every rule is off"
    return f"{enabled}; at most {settings.max_per_hour} per hour and {settings.max_bytes / 1e6:g} MB"
