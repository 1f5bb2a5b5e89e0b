"""The newest labeled frame, for commands on this machine."""

import base64
import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from appliance.bundle.bundle import read_bundle
from appliance.daemon.engine import Engine
from appliance.daemon.frame_supply import NO_CAMERA, RUNNING_OFF
from appliance.daemon.latest_result import MAX_SCORES, LatestResult
from appliance.daemon.results import FrameResult
from appliance.errors import ControlError
from appliance.imaging.frame import Frame
from appliance.imaging.view import View
from appliance.labeling.label_filter import LabelFilter
from appliance.settings.schema import LabelerSettings
from support.paths import FLOWERS

LABELER = SimpleNamespace(labels=("daisy", "roses", "tulips"), inference_ms=1.5)


def make_result(scores=(0.1, 0.8, 0.3), pixels=None, labels=LABELER.labels, **settings):
    bundle = SimpleNamespace(labels=labels, confidence_threshold=0.5, label_thresholds={}, background_label=None)
    engine = Engine(
        SimpleNamespace(labels=labels, inference_ms=1.5),
        LabelFilter(bundle, LabelerSettings(**settings)),
        SimpleNamespace(open_labels=["roses"]),
    )
    pixels = np.zeros((20, 40, 3), np.uint8) if pixels is None else pixels
    return FrameResult(Frame(pixels, 1.0, 1.0, 7), engine, np.array(scores, np.float32), [], [])


def decode(answer):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode("".join(answer["jpeg"])))))


def test_scores_are_ordered_and_marked():
    latest = LatestResult()
    assert latest.describe() == {"frame": None, "scores": []}
    latest.on_frame(make_result())
    answer = latest.describe()
    assert [entry["label"] for entry in answer["scores"]] == ["roses", "tulips", "daisy"]
    assert answer["scores"][0] == {"label": "roses", "score": 0.8, "threshold": 0.5, "open": True}
    assert answer["frame"]["number"] == 7 and answer["frame"]["time"].startswith("1970")


def test_labels_that_are_never_reported_are_left_out():
    latest = LatestResult()
    latest.on_frame(make_result(deny=("roses",)))
    assert [entry["label"] for entry in latest.describe()["scores"]] == ["tulips", "daisy"]


def test_a_thousand_labels_are_bounded():
    latest = LatestResult()
    labels = tuple(f"label {n}" for n in range(1000))
    latest.on_frame(make_result(np.linspace(0, 1, 1000), labels=labels))
    assert len(latest.describe()["scores"]) == MAX_SCORES


def test_frame_is_what_the_model_sees():
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 40:] = 255
    latest = LatestResult()
    latest.on_frame(make_result(pixels=pixels))
    assert decode(latest.encode_frame(View())).shape == (40, 80, 3)
    part = decode(latest.encode_frame(View(rotation=90, region=(0, 0.5, 1, 0.5))))
    assert part.shape == (40, 40, 3)
    assert part.mean() > 250


def test_frame_of_many_bytes_is_sent_in_bounded_lines():
    latest = LatestResult()
    latest.on_frame(make_result(pixels=np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)))
    answer = latest.encode_frame(View())
    assert len(answer["jpeg"]) > 1 and max(map(len, answer["jpeg"])) <= 4096
    assert decode(answer).shape == (200, 300, 3)


def test_nothing_is_shown_after_the_camera_was_turned_off():
    latest = LatestResult()
    with pytest.raises(ControlError, match="no frame yet"):
        latest.encode_frame(View())
    latest.on_frame(make_result())
    latest.on_labels_unknown(NO_CAMERA)
    assert latest.describe()["frame"], "the frame before a fault helps to find it"
    latest.on_labels_unknown(RUNNING_OFF)
    assert latest.describe()["frame"] is None


def test_bundled_model_fits(tmp_path):
    labels = read_bundle(FLOWERS).labels
    latest = LatestResult()
    latest.on_frame(make_result(np.zeros(len(labels)), labels=labels))
    assert len(latest.describe()["scores"]) == min(len(labels), MAX_SCORES)
