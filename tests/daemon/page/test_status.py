"""The state of the device in one object."""

import pytest

from support.broker import wait_until
from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running


def test_status_has_every_part_of_the_interface(device):
    status = device.device.describe_status()
    assert set(status) >= {
        "device", "camera", "running", "snapshots", "collect", "labeling", "known", "current", "labels", "threshold",
        "thresholds", "model", "update", "broker", "history", "upload", "problems",
    }  # fmt: skip
    assert status["camera"]["state"] == "streaming" and status["camera"]["size"] == [640, 480]
    assert status["history"] == {"enabled": True, "error": None} and len(status["labels"]) == 5


def test_broker_that_is_absent_is_a_problem_with_its_remedy(device):
    wait_until(
        lambda: any("mqtt.host" in problem["message"] for problem in device.device.describe_status()["problems"]),
        "the broker is reported",
    )


def test_kernels_are_named_and_slow_ones_are_a_problem(device, monkeypatch):
    model = device.device.describe_status()["model"]
    assert model["runtime"].startswith("LiteRT") and model["kernels"] == "XNNPACK"
    monkeypatch.setattr(device.service.parts.active.current, "kernels", "built-in")
    problems = {problem["part"]: problem["message"] for problem in device.device.describe_status()["problems"]}
    assert "without its fast kernels" in problems["model"] and ";" in problems["model"]


def test_source_of_the_threshold_is_named(device):
    threshold = device.device.describe_status()["threshold"]
    assert threshold == {"value": 0.3, "source": "model", "default": 0.3}
