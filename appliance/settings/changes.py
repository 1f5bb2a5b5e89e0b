"""Compare the current settings with reloaded ones, and decide what must be done.

`systemctl reload appliance` sends SIGHUP, and the service reads its settings again. Most changes take effect between
two frames, and the camera is reopened if its section changed. Keys that concern the connection to the broker, topics,
the update source or the outbox take effect only after a restart; the log and `appliance check` list them. If the new
settings are invalid, nothing changes.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from appliance.settings.schema import Settings

_VIEW = frozenset({"camera.rotation", "camera.hflip", "camera.vflip", "camera.region"})
_MODEL = frozenset({"labeler.model", "labeler.threads", "labeler.runtime"})
_LIVE_SECTIONS = ("camera", "labeler", "events", "log", "collect")
# Keys of other sections that take effect at once.
_LIVE_KEYS = frozenset({"mqtt.labels_per_s", "mqtt.snapshots", "update.interval_s"})


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed; keys are `section.key`.

    Attributes:
        settings: The settings to use from now on: new values for keys that can change now, old values for the rest.
        live: Keys that take effect immediately.
        restart: Keys that take effect after a restart.
        labels: Whether frames are labeled differently (labeler, events, the view).
        model: Whether a model must be loaded (a different one, or the same one for a different view).
        camera: Whether the camera must be reopened.
        log: Whether the log's level or format changes.
        collect: Whether other frames are collected, or elsewhere.
        mqtt: Whether other results are published, or more or fewer of them.
        update: Whether the update source is checked more or less often.
    """

    settings: Settings
    live: tuple[str, ...]
    restart: tuple[str, ...]
    labels: bool
    model: bool
    camera: bool
    log: bool
    collect: bool
    mqtt: bool
    update: bool


def compare_settings(old: Settings, new: Settings) -> Changes:
    """Return what must be done so that `new` takes effect."""
    changed = [
        f"{section.name}.{key}"
        for section in fields(Settings)
        if is_dataclass(getattr(old, section.name))
        for key in _find_changed_keys(getattr(old, section.name), getattr(new, section.name))
    ]
    live = tuple(key for key in changed if key.split(".")[0] in _LIVE_SECTIONS or key in _LIVE_KEYS)
    # Drawn scenes are labeled with a bundled model of their own.
    is_drawn = [settings.camera.source == "scene" for settings in (old, new)]
    model = any(key in _MODEL or key in _VIEW for key in live) or is_drawn[0] != is_drawn[1]
    sections = {name: getattr(new, name) for name in _LIVE_SECTIONS}
    sections |= {name: _take_live_keys(name, getattr(old, name), getattr(new, name)) for name in ("mqtt", "update")}
    return Changes(
        settings=replace(old, **sections),
        live=live,
        restart=tuple(key for key in changed if key not in live),
        labels=model or any(key.startswith(("labeler.", "events.")) for key in live),
        model=model,
        camera=any(key.startswith("camera.") for key in live),
        log=any(key.startswith("log.") for key in live),
        collect=any(key.startswith("collect.") for key in live) or any(key in _VIEW for key in live),
        mqtt=any(key.startswith("mqtt.") for key in live),
        update=any(key.startswith("update.") for key in live),
    )


def _take_live_keys(section: str, old: Any, new: Any) -> Any:
    """Return the old section with the new values of the keys that take effect at once."""
    keys = [key.split(".")[1] for key in _LIVE_KEYS if key.startswith(f"{section}.")]
    return replace(old, **{key: getattr(new, key) for key in keys})


def _find_changed_keys(old: Any, new: Any) -> list[str]:
    return [field.name for field in fields(old) if getattr(old, field.name) != getattr(new, field.name)]
