"""Keep the newest labeled frame, for `appliance watch` and `appliance snapshot`."""

import base64
import time
from typing import Any

from appliance.control.client import MAX_TEXT
from appliance.daemon.frame_supply import RUNNING_OFF
from appliance.daemon.results import FrameResult, ResultListener
from appliance.errors import ControlError
from appliance.imaging.files import encode_jpeg
from appliance.imaging.view import View
from appliance.labeling.preprocess import crop
from appliance.system.timestamps import to_rfc3339

MAX_SCORES = 20


class LatestResult(ResultListener):
    """The newest result; written by the labeling thread, read by any thread."""

    def __init__(self) -> None:
        """Start without a result."""
        self._result: FrameResult | None = None

    @property
    def result(self) -> FrameResult | None:
        """The newest result; None before the first frame, and while the camera is turned off."""
        return self._result

    def on_frame(self, result: FrameResult) -> None:
        """Keep a result in place of the previous one."""
        self._result = result

    def on_labels_unknown(self, reason: str) -> None:
        """Discard the frame when the camera is turned off, because nothing may be seen of it from then on."""
        if reason == RUNNING_OFF:
            self._result = None

    def describe(self) -> dict[str, Any]:
        """Return the newest labels for the control socket; empty before the first frame."""
        return describe_result(self._result) if self._result else {"frame": None, "scores": []}

    def encode_frame(self, view: View) -> dict[str, Any]:
        """Return the newest frame for the control socket, as the model sees it.

        Args:
            view: The orientation and the region of frames.

        Raises:
            ControlError: There is no frame.
        """
        if (result := self._result) is None:
            raise ControlError("there is no frame yet; find out why with: appliance check")
        jpeg = base64.b64encode(encode_jpeg(crop(result.frame.pixels, view))).decode("ascii")
        # In lines, because a client bounds every text that it receives.
        lines = [jpeg[start : start + MAX_TEXT] for start in range(0, len(jpeg), MAX_TEXT)]
        return describe_result(result) | {"jpeg": lines}


def describe_result(result: FrameResult) -> dict[str, Any]:
    """Return a frame and its best scores, `{"frame": {…}, "scores": [{"label", "score", "threshold", "open"}]}`.

    Args:
        result: The labels of one frame.
    """
    engine, frame = result.engine, result.frame
    scores = engine.filter.mask(result.scores)
    best = (-scores).argsort(kind="stable")[:MAX_SCORES]
    open_labels = set(engine.tracker.open_labels)
    labels = engine.labeler.labels
    return {
        "frame": {
            "number": frame.number,
            "time": to_rfc3339(frame.time),
            "age_s": round(time.monotonic() - frame.monotonic_s, 2),
            "inference_ms": round(engine.labeler.inference_ms, 2),
        },
        "scores": [
            {
                "label": labels[index],
                "score": round(float(scores[index]), 4),
                "threshold": round(float(engine.filter.thresholds[index]), 4),
                "open": labels[index] in open_labels,
            }
            for index in best.tolist()
            if engine.filter.reportable[index]
        ],
    }
