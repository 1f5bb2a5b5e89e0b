"""Recording with a camera that the command opens."""

import pytest

from appliance.diagnostics import local_recording
from appliance.diagnostics.local_recording import LocalRecording
from appliance.errors import CameraError
from appliance.imaging.files import encode_jpeg, read_picture_size
from appliance.settings.schema import CameraSettings, Settings
from appliance.teaching.wording import Target
from support.broker import wait_until
from support.teaching import counts, draw


def test_region_of_the_model_is_recorded(tmp_path):
    (tmp_path / "pictures").mkdir()
    for seed in range(6):
        (tmp_path / "pictures" / f"{seed}.jpg").write_bytes(encode_jpeg(draw(seed, 160)))
    camera = CameraSettings(source=str(tmp_path / "pictures"), fps=20, region=(0.0, 0.0, 0.5, 1.0))
    (tmp_path / "state").mkdir()
    with LocalRecording(Settings(camera=camera), tmp_path / "state") as recording:
        recording.record(Target("cup"), 0.05, 3, False)
        wait_until(lambda: not recording.record(Target("cup"), 0.05, 3, True)["active"], "three pictures")
        assert recording.stop()["kept"] == 3
    assert counts(recording.store) == {"cup": 3}
    assert read_picture_size(next((tmp_path / "state/dataset/cup").iterdir())) == (80, 160)


def test_camera_without_frames_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(local_recording, "_FRAME_LIMIT_S", 0.5)
    camera = CameraSettings(source=str(tmp_path / "missing"))
    with pytest.raises(CameraError, match="missing"), LocalRecording(Settings(camera=camera), tmp_path):
        pass
