"""Decide which labels of a frame are reported: thresholds, allow and deny, the background label, max_results.

The rules are those of the TFLite Task Library. A label passes if its score ≥ its threshold. The threshold comes from
the first level that has one: MQTT, then the settings, then the bundle, then the default of 0.5. At each level, a
label's own threshold overrides the common one. If the model has a name twice (ImageNet has two cranes), the name refers
to both labels.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.identity import describe_unknown_label
from appliance.errors import LabelOptionError
from appliance.labeling.labels import Label
from appliance.settings.schema import LabelerSettings

DEFAULT_THRESHOLD = 0.5


class LabelFilter:
    """The effective options for one model. A filter is immutable, so a changed threshold requires a new one.

    Attributes:
        threshold: The effective common threshold.
        thresholds: (labels,) float32, the effective threshold of each label.
        reportable: (labels,) bool, False for labels that are excluded by allow, by deny, or as the background label.
    """

    def __init__(self, bundle: Bundle, settings: LabelerSettings, threshold: float | None = None) -> None:
        """Combine the options from the bundle, the settings and MQTT.

        Args:
            bundle: The bundle, with the model's labels and thresholds.
            settings: The labeler section.
            threshold: The threshold set over MQTT, 0–1; None if it is not set.

        Raises:
            LabelOptionError: An option refers to a label that the model does not have, leaves no label to report, or
                is out of range.
        """
        self._labels = bundle.labels
        self._max_results = settings.max_results
        indexes: dict[str, list[int]] = {}
        for index, label in enumerate(bundle.labels):
            indexes.setdefault(label, []).append(index)
        _check(settings, threshold, bundle)
        levels: list[tuple[float | None, Mapping[str, float]]] = [
            (threshold, {}),
            (settings.threshold, settings.thresholds),
            (bundle.confidence_threshold, bundle.label_thresholds),
            (DEFAULT_THRESHOLD, {}),
        ]
        self.threshold = float(next(common for common, _ in levels if common is not None))
        self.thresholds = np.full(len(self._labels), DEFAULT_THRESHOLD, np.float32)
        for common, own in reversed(levels):
            if common is not None:
                self.thresholds[:] = common
            for label, value in own.items():
                self.thresholds[indexes[label]] = value
        self.reportable = np.full(len(self._labels), not settings.allow)
        self.reportable[_find_indexes(settings.allow, indexes)] = True
        self.reportable[_find_indexes(settings.deny, indexes)] = False
        if bundle.background_label is not None:
            self.reportable[indexes[bundle.background_label]] = False
        if not self.reportable.any():
            raise LabelOptionError("allow and deny leave no label to report; the background label is never reported")
        # No score reaches infinity, so one comparison applies both rules.
        self._minimum_scores = np.where(self.reportable, self.thresholds, np.float32(np.inf))
        self._all_reportable = bool(self.reportable.all())

    def select(self, scores: np.ndarray) -> list[Label]:
        """Return the reportable labels at or above their thresholds, by score descending, then by index.

        Args:
            scores: (labels,) float32.

        Returns:
            At most max_results labels.
        """
        passing = (scores >= self._minimum_scores).nonzero()[0]
        if len(passing) > 1:
            # A stable sort keeps labels with equal scores in the order of their indexes.
            passing = passing[np.argsort(-scores[passing], kind="stable")]
        if self._max_results != -1:
            passing = passing[: self._max_results]
        return [Label(self._labels[index], float(scores[index]), index) for index in passing.tolist()]

    def mask(self, scores: np.ndarray) -> np.ndarray:
        """Replace the score of each label that is not reportable by −inf, which is below any threshold, even 0.

        Args:
            scores: (labels,) float32.

        Returns:
            (labels,) float32; `scores` itself if every label is reportable.
        """
        return scores if self._all_reportable else np.where(self.reportable, scores, np.float32(-np.inf))


def _check(settings: LabelerSettings, threshold: float | None, bundle: Bundle) -> None:
    if settings.allow and settings.deny:
        raise LabelOptionError("allow and deny are mutually exclusive; keep one of them")
    if settings.max_results != -1 and settings.max_results < 1:
        raise LabelOptionError(f"max_results must be 1 or more, or -1 for all, not {settings.max_results}")
    own = [(f"the threshold of {label!r}", value) for label, value in settings.thresholds.items()]
    for name, value in [("threshold", threshold), ("threshold", settings.threshold), *own]:
        if value is not None and not 0 <= value <= 1:
            raise LabelOptionError(f"{name} must be from 0 to 1, not {value}")
    for option, names in [("allow", settings.allow), ("deny", settings.deny), ("thresholds", settings.thresholds)]:
        for name in names:
            if name not in bundle.labels:
                raise LabelOptionError(f"{option}: {describe_unknown_label(name, bundle.labels)}")


def _find_indexes(names: Iterable[str], indexes: Mapping[str, list[int]]) -> list[int]:
    return [index for name in names for index in indexes[name]]
