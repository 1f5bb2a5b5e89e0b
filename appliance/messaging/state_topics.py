"""Publish T/state and T/camera: the labels of the current picture, and whether there are pictures.

Not thread-safe; Reports holds its lock during every call.
"""

from collections.abc import Sequence

from appliance.bundle.identity import ModelIdentity
from appliance.labeling.labels import Label
from appliance.messaging.label_topics import RetainedSink
from appliance.messaging.payloads import Availability, StatePayload, encode
from appliance.messaging.topics import Topics

REFRESH_S = 5.0
"""While the labels stay the same, their scores are published again at most this often."""


class StateTopics:
    """The two retained values.

    Attributes:
        known: Whether there are frames, so that no label means that nothing is visible.
    """

    def __init__(self, sink: RetainedSink, topics: Topics):
        """Start without a value.

        Args:
            sink: The publisher.
            topics: The device's topics.
        """
        self._sink, self._topics = sink, topics
        self.known = False
        self._labels: tuple[str | None, frozenset[str], bool] | None = None
        self._since_s = 0.0
        self._payload: bytes | None = None
        self._refresh_at_s = float("-inf")
        self._camera: Availability | None = None

    def forget(self) -> None:
        """Publish the next state even if its labels are the same, because the model has changed."""
        self._labels = None

    def retain_labels(
        self, model: ModelIdentity, time_s: float, labels: Sequence[Label], monotonic_s: float | None = None
    ) -> None:
        """Publish the labels if the first label or the set of labels has changed, or their scores after a while.

        Args:
            model: The model in use.
            time_s: When the labels were determined, Unix time; the payload has the time of the last change.
            labels: The labels that pass the filter, best first.
            monotonic_s: The same moment on the monotonic clock; None without a frame.
        """
        state = (labels[0].label if labels else None, frozenset(label.label for label in labels), self.known)
        has_changed = state != self._labels
        if has_changed:
            self._labels, self._since_s = state, time_s
        elif not labels or monotonic_s is None or monotonic_s < self._refresh_at_s:
            return
        payload = encode(StatePayload.from_result(self._since_s, model, labels, known=self.known).as_dict())
        if monotonic_s is not None:
            self._refresh_at_s = monotonic_s + REFRESH_S
        if has_changed or payload != self._payload:
            self._payload = payload
            self._sink.retain(self._topics.state, payload)

    def retain_camera(self, camera: Availability | None = None) -> None:
        """Publish whether there are frames if that has changed; None keeps it, at first offline."""
        camera = camera or self._camera or Availability.OFFLINE
        if camera != self._camera:
            self._camera = camera
            self._sink.retain(self._topics.camera, camera)

    def repeat(self) -> None:
        """Publish the labels again."""
        if self._payload:
            self._sink.retain(self._topics.state, self._payload)
