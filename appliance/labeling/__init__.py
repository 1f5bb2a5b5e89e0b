"""Label frames and follow labels over time; importing this package loads neither OpenCV nor a runtime."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.labeling.label_filter import LabelFilter
    from appliance.labeling.labeler import Labeler
    from appliance.labeling.labels import Label
    from appliance.labeling.tracker import Event, Tracker

__all__ = ["Event", "Label", "LabelFilter", "Labeler", "Tracker"]

_MODULES = {
    "Event": "tracker",
    "Label": "labels",
    "LabelFilter": "label_filter",
    "Labeler": "labeler",
    "Tracker": "tracker",
}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
