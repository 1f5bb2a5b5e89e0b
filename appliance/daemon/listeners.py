"""The listeners of the labeling results: MQTT reports, the log, collector, history, and probation of a new model."""

import logging
from collections.abc import Sequence

from appliance.collection.collector import Collector
from appliance.daemon.active_model import ActiveModel
from appliance.daemon.engine import Engine
from appliance.daemon.frame_supply import NO_LABELS
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.results import FrameResult, ResultListener
from appliance.history.recorder import HistoryRecorder, StartedEvent
from appliance.imaging.files import encode_jpeg
from appliance.labeling.preprocess import turn_upright
from appliance.labeling.tracker import Event
from appliance.messaging.reports import Reports
from appliance.updates.updater import Updater

log = logging.getLogger("appliance.daemon")

_HISTORY_SCORES = 5


class ReportsListener(ResultListener):
    """Publish results over MQTT."""

    def __init__(self, reports: Reports, live: LiveSettings):
        """Keep references to the reports, and to the settings that determine how a snapshot is turned upright."""
        self._reports = reports
        self._live = live

    def on_frame(self, result: FrameResult) -> None:
        """Publish the labels, the state and the events of a frame; encode a snapshot only if one is sent."""
        self._reports.report_frame(
            result.frame,
            result.labels,
            result.engine.labeler.inference_ms,
            result.events,
            result.engine.tracker.open_events,
            lambda: encode_jpeg(turn_upright(result.frame.pixels, self._live.view)),
        )

    def on_frame_failed(self, error: str) -> None:
        """Publish that the camera delivers frames, although this one could not be labeled."""
        self._reports.report_camera(online=True)

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Publish the end of events."""
        self._reports.report_ended(events)

    def on_labels_unknown(self, reason: str) -> None:
        """Publish that the labels are unknown, and whether the camera is the reason."""
        self._reports.report_unknown()
        if reason != NO_LABELS:
            self._reports.report_camera(online=False)

    def on_engine_changed(self, engine: Engine) -> None:
        """Publish the model and the threshold in use."""
        labeler = engine.labeler
        self._reports.use_model(labeler.identity, labeler.labels, engine.filter.reportable)
        self._reports.report_threshold(engine.filter.threshold)


class EventLogListener(ResultListener):
    """Log when a label starts and ends."""

    def on_frame(self, result: FrameResult) -> None:
        """Log the events of a frame."""
        self._log(result.events)

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Log events that ended without a frame, with the reason."""
        self._log(events)

    def _log(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type == "started":
                log.info("%s started (%.2f)", event.label, event.score)
                continue
            duration = "" if event.duration_s is None else f" after {event.duration_s:.1f} s"
            reason = f"; reason: {event.reason}" if event.reason else ""
            log.info("%s ended%s (highest score %.2f%s)", event.label, duration, event.peak_score, reason)


class CollectorListener(ResultListener):
    """Offer frames to the collector."""

    def __init__(self, collector: Collector):
        """Keep a reference to the collector."""
        self._collector = collector

    def on_frame(self, result: FrameResult) -> None:
        """Offer a frame with the scores of the labels that may be reported."""
        labeler = result.engine.labeler
        self._collector.offer(
            result.frame,
            labeler.labels,
            result.engine.filter.mask(result.scores),
            result.events,
            labeler.identity,
            labeler.view,
            result.engine.filter.threshold,
        )


class HistoryListener(ResultListener):
    """Record events in the history."""

    def __init__(self, recorder: HistoryRecorder, live: LiveSettings):
        """Keep references to the recorder, and to the settings that determine how a picture is turned upright."""
        self._recorder = recorder
        self._live = live

    def on_frame(self, result: FrameResult) -> None:
        """Record the events of a frame, with its best scores and its picture."""
        for event in result.events:
            if event.type == "started":
                self._recorder.record_started(self._describe(event, result))
            else:
                self._recorder.record_ended(event)

    def on_events_ended(self, events: Sequence[Event]) -> None:
        """Record the end of events."""
        for event in events:
            self._recorder.record_ended(event)

    def _describe(self, event: Event, result: FrameResult) -> StartedEvent:
        labels, label_filter = result.engine.labeler.labels, result.engine.filter
        scores = label_filter.mask(result.scores)
        best = (-scores).argsort(kind="stable")[:_HISTORY_SCORES].tolist()
        pixels, view = result.frame.pixels, self._live.view
        return StartedEvent(
            event,
            result.engine.labeler.identity,
            [(labels[index], float(scores[index])) for index in best if label_filter.reportable[index]],
            lambda: turn_upright(pixels, view),
        )


class ProbationListener(ResultListener):
    """Report the outcome of frames to the updater, which evaluates a model on probation by them.

    Frames are not reported while labeler.model overrides the store, because they reveal nothing about the delivered
    model.
    """

    def __init__(self, updater: Updater, active: ActiveModel):
        """Keep references to the updater, and to the active model, which knows about the override."""
        self._updater = updater
        self._active = active

    def on_frame(self, result: FrameResult) -> None:
        """Report the inference time of a labeled frame."""
        self._record(result.engine.labeler.inference_ms, None)

    def on_frame_failed(self, error: str) -> None:
        """Report a frame that could not be labeled."""
        self._record(0.0, error)

    def _record(self, inference_ms: float, error: str | None) -> None:
        if not self._active.is_overridden:
            self._updater.record_frame(inference_ms, error)
