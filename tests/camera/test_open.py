"""What the settings' `camera.source` opens."""

import os
import subprocess
import sys

import pytest

from appliance.errors import CameraAbsentError, SettingsError
from support.paths import ROOT
from support.streams import RED, has_color, jpeg, open_source, plain, write_video


def test_picture_folder_and_video_are_distinguished(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    write_video(tmp_path / "a.mp4", [plain(RED)] * 2)
    sources = {tmp_path / "a.jpg": "the picture", tmp_path: "1 picture in", tmp_path / "a.mp4": "h264, 320 x 240"}
    for source, words in sources.items():
        camera = open_source(source)
        assert words in camera.description and not camera.live
        assert has_color(camera.read(), RED)
        camera.close()


def test_path_may_start_with_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    assert has_color(open_source("~/a.jpg").read(), RED)


def test_unknown_home_folder_is_absent():
    with pytest.raises(CameraAbsentError, match=r"~nobody_at_all/a.jpg: .* home folder does not exist"):
        open_source("~nobody_at_all/a.jpg")


def test_scenes_are_drawn():
    camera = open_source("scene")
    picture = camera.read()
    assert picture.ndim == 3 and picture.shape[2] == 3
    camera.close()


def test_missing_source_error_lists_the_choices():
    with pytest.raises(
        CameraAbsentError, match=r"camera.source picam does not exist; it can be auto, pi, scene, a folder, .*rtsp://"
    ):
        open_source("picam")
    with pytest.raises(CameraAbsentError, match="holiday.mp4 does not exist"):
        open_source("/nowhere/holiday.mp4")
    with pytest.raises(CameraAbsentError, match="holiday.jpg does not exist"):
        open_source("/nowhere/holiday.jpg")


def test_pi_source_needs_a_number():
    with pytest.raises(SettingsError, match=r"pi:left.*camera's number"):
        open_source("pi:left")


def test_pipe_is_rejected_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CameraAbsentError, match="not a file, a folder or a camera"):
        open_source(tmp_path / "pipe")


def test_large_libraries_load_only_for_sources_that_need_them(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    script = (
        "import sys\n"
        "from appliance.camera.open import open_camera\n"
        "from appliance.settings.schema import CameraSettings\n"
        "for source in sys.argv[1:]: open_camera(CameraSettings(source=source), (224, 224)).read()\n"
        "print([name for name in ('av', 'picamera2', 'cv2') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, "scene", str(tmp_path), str(tmp_path / "a.jpg")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
