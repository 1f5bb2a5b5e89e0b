"""The choice of `camera.source = "auto"`: on a machine with a Pi camera, with USB cameras, and with none."""

import sys
from pathlib import Path

import pytest

from appliance.camera import auto
from appliance.errors import CameraAbsentError, CameraBusyError
from appliance.settings.schema import CameraSettings


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that adds a video device to the kernel's list; there is no picamera2."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    devices = tmp_path / "video4linux"
    devices.mkdir()

    def add(name, index, subsystem):
        bus = tmp_path / "bus" / subsystem
        device = tmp_path / "devices" / name
        bus.mkdir(parents=True, exist_ok=True)
        device.mkdir(parents=True)
        (device / "subsystem").symlink_to(bus)
        (devices / name).mkdir()
        (devices / name / "device").symlink_to(device)
        (devices / name / "index").write_text(f"{index}\n")

    add.folder = devices
    return add


def opening_error(system, tmp_path):
    with pytest.raises(CameraAbsentError) as caught:
        auto.open_auto(CameraSettings(source="auto"), (224, 224), system.folder, str(tmp_path / "dev"))
    return str(caught.value)


def test_first_usb_camera_is_chosen_in_numeric_order(system, tmp_path):
    system("video10", 0, "platform")  # a Pi's codec
    system("video9", 0, "usb")
    system("video8", 1, "usb")  # metadata of another camera
    system("video20", 0, "usb")
    assert auto.list_usb_cameras(system.folder) == ["video9", "video20"]
    assert f"{tmp_path}/dev/video9" in opening_error(system, tmp_path)


def test_machine_without_any_camera_gets_advice_for_it(system, tmp_path, monkeypatch):
    monkeypatch.setattr(auto, "is_raspberry_pi", lambda: False)
    error = opening_error(system, tmp_path)
    assert "no USB camera" in error and "camera.source" in error and "picamera2" not in error
    monkeypatch.setattr(auto, "is_raspberry_pi", lambda: True)
    assert "python3-picamera2" in opening_error(system, tmp_path)
    assert auto.list_usb_cameras(tmp_path / "nowhere") == []


def test_busy_pi_camera_is_not_replaced_by_another(system, monkeypatch):
    def busy(settings, wanted_px):
        assert settings.source == "pi"
        raise CameraBusyError("the Pi camera is in use")

    system("video0", 0, "usb")
    monkeypatch.setattr("appliance.camera.pi.camera.open_pi", busy)
    with pytest.raises(CameraBusyError):
        auto.open_auto(CameraSettings(source="auto"), (224, 224), system.folder)


def test_board_is_recognized_by_its_model(tmp_path):
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert auto.is_raspberry_pi(tmp_path / "model")
    assert not auto.is_raspberry_pi(Path("/nowhere"))
