"""The engine: a labeler with its label filter and its tracker."""

from dataclasses import dataclass

from appliance.labeling.label_filter import LabelFilter
from appliance.labeling.labeler import Labeler
from appliance.labeling.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that turns a frame into labels and events.

    Attributes:
        labeler: Runs the model.
        filter: Applies thresholds, allow and deny to the scores.
        tracker: Holds the open events.
    """

    labeler: Labeler
    filter: LabelFilter
    tracker: Tracker
