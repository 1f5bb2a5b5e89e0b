"""Test the state of the device: the answer on the control socket, and the figures of T/stats."""

import json
from pathlib import Path

import pytest

from appliance import __version__
from appliance.daemon.service import Service
from support.broker import wait_until
from support.services import SETTINGS


@pytest.fixture
def service(tmp_path):
    """Build a service without starting it."""
    (tmp_path / "state").mkdir()
    service = Service(SETTINGS, tmp_path / "state", tmp_path / "state")
    yield service
    service.stop()


def test_answer_before_the_first_frame(service):
    answer = service.parts.status.describe(None)
    assert (answer["version"], answer["device"], answer["settings"]) == (__version__, "t", None)
    assert (answer["frames"], answer["labels"], answer["labeling_trouble"]) == (0, [], None)
    assert answer["camera"]["last_frame_age_s"] is None
    assert answer["model"] == service.parts.active.current.identity.as_dict()
    assert not answer["broker"]["connected"]


def test_keys_of_the_answer_stay(service):
    """`appliance check` of a different version may read them."""
    answer = service.parts.status.describe(Path("my.toml"))
    assert json.loads(json.dumps(answer))["settings"] == "my.toml"
    assert set(answer) == {
        "version", "device", "settings", "camera", "labels", "model", "runtime", "input", "kernels", "frames",
        "labeling_trouble", "broker", "outbox", "collect", "state_trouble", "former_topics",
    }  # fmt: skip
    assert set(answer["camera"]) == {"state", "reason", "description", "last_frame_age_s", "frame_limit_s"}
    assert set(answer["broker"]) == {"connected", "trouble"}
    assert set(answer["outbox"]) == {"waiting", "dropped", "trouble"}


def test_answer_and_figures_while_frames_are_labeled(service):
    service.start()
    status = service.parts.status
    wait_until(lambda: status.describe(None)["frames"] >= 2, "two frames are labeled")
    answer, stats = status.describe(None), status.collect_stats()
    assert answer["camera"]["state"] == stats.camera_state == "streaming"
    assert 0 <= answer["camera"]["last_frame_age_s"] < 10
    wait_until(lambda: status.describe(None)["broker"]["trouble"], "the absent broker is noticed")
    assert "127.0.0.1:1" in status.describe(None)["broker"]["trouble"]
    assert stats.fps > 0
    assert 0 < stats.inference_p50_ms <= stats.inference_p95_ms
    assert stats.runtime == service.parts.active.current.runtime
    assert stats.camera_restarts == 0
    assert stats.collect is None


def test_figures_before_the_first_frame_are_unknown(service):
    stats = service.parts.status.collect_stats()
    assert (stats.fps, stats.inference_p50_ms, stats.inference_p95_ms) == (0, None, None)
    assert (stats.outbox_waiting, stats.outbox_dropped, stats.dropped) == (0, 0, 0)
    assert stats.uptime_s >= 0
    assert stats.rss_mb > 1
