"""The device as the page sees it, in a running daemon."""

import pytest

from appliance.bundle.input_spec import DeclaredInput
from appliance.errors import ApplianceError, RequestError, StoreError
from support.web import WebDevice


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    with WebDevice(tmp_path_factory.mktemp("web")) as running:
        yield running.device


def test_device_has_its_names(device):
    assert (device.device_id, device.name) == ("t", "Kitchen") and device.upload_blocked_reason is None


def test_bundle_that_cannot_be_used_is_named_as_uploaded(device, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(4) + b"TFL3" + bytes(50))
    with pytest.raises(ApplianceError, match="mine.tflite") as raised:
        device.install_model(path, DeclaredInput(), "mine.tflite")
    assert str(tmp_path) not in str(raised.value)


def test_second_installation_waits_for_the_first(device, tmp_path):
    with device._install_lock, pytest.raises(StoreError, match="try again"):
        device.install_model(tmp_path, DeclaredInput(), "x")


@pytest.mark.parametrize("label", ["..", "•"])
def test_label_that_cannot_be_files_no_picture(device, label):
    with pytest.raises(RequestError, match="label"):
        device.mark_wrong("a-1", label)


def test_labels_are_described(device):
    labels = device.describe_labels()
    assert labels["frame"] > 0 and labels["labels"] and labels["inference_ms"] >= 0
