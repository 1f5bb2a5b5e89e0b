"""What is different between the settings that hold and those that were read again, and what that asks for.

`systemctl reload appliance` sends SIGHUP, and the service (service.py) reads its settings once more. Most of them change
between two frames; the camera is opened anew where its own section is another; whatever is woven into the connection to
the broker, into topics or into files on disk waits for a restart, and the log names those keys one by one. Settings that
are wrong change nothing at all.
"""

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from appliance.settings.schema import Settings

_VIEW = frozenset({"camera.rotation", "camera.hflip", "camera.vflip", "camera.region"})
_MODEL = frozenset({"labeler.model", "labeler.threads", "labeler.runtime"})
_LIVE_SECTIONS = ("camera", "labeler", "events", "log")


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed, as `section.key`.

    Attributes:
        settings: What holds from now on: the new where it can, else the old.
        live: Keys that take effect at once.
        restart: Keys that take effect after a restart.
        labels: Whether frames are to be judged otherwise (labeler, events, the view).
        model: Whether the model must be loaded anew (another one, or the same for another view).
        camera: Whether the camera must be opened anew.
        log: Whether the log is to speak otherwise.
    """

    settings: Settings
    live: tuple[str, ...]
    restart: tuple[str, ...]
    labels: bool
    model: bool
    camera: bool
    log: bool


def compare_settings(old: Settings, new: Settings) -> Changes:
    """What must be done so that `new` holds.

    While frames are collected the view is woven into what lies on disk: it then waits for a restart too.
    """
    changed = [
        f"{section.name}.{key}"
        for section in fields(Settings)
        if is_dataclass(getattr(old, section.name))
        for key in _changed_keys(getattr(old, section.name), getattr(new, section.name))
    ]
    fixed = _VIEW if old.collect.enabled else frozenset()
    live = tuple(key for key in changed if key.split(".")[0] in _LIVE_SECTIONS and key not in fixed)
    model = any(key in _MODEL or key in _VIEW for key in live)
    sections = {name: getattr(new, name) for name in _LIVE_SECTIONS}
    kept = {key.split(".")[1]: getattr(old.camera, key.split(".")[1]) for key in fixed}
    return Changes(
        settings=replace(old, **sections | {"camera": replace(new.camera, **kept)}),
        live=live,
        restart=tuple(key for key in changed if key not in live),
        labels=model or any(key.startswith(("labeler.", "events.")) for key in live),
        model=model,
        camera=any(key.startswith("camera.") for key in live),
        log=any(key.startswith("log.") for key in live),
    )


def _changed_keys(old: Any, new: Any) -> list[str]:
    return [field.name for field in fields(old) if getattr(old, field.name) != getattr(new, field.name)]
