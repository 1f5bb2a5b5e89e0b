"""What the settings' `camera.source` opens."""

import os
import subprocess
import sys

import pytest

from appliance.camera.open import open_camera
from appliance.errors import CameraAbsentError, SettingsError
from appliance.settings.schema import CameraSettings
from support.paths import ROOT
from support.streams import RED, has_color, jpeg, plain, write_video

WANTED_PX = (224, 224)


def opened(source, **settings):
    return open_camera(CameraSettings(source=str(source), **settings), WANTED_PX)


def test_a_picture_a_folder_and_a_video_are_told_apart(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    write_video(tmp_path / "a.mp4", [plain(RED)] * 2)
    sources = {tmp_path / "a.jpg": "the picture", tmp_path: "1 picture in", tmp_path / "a.mp4": "h264, 320 x 240"}
    for source, words in sources.items():
        camera = opened(source)
        assert words in camera.description and not camera.live
        assert has_color(camera.read(), RED)
        camera.close()


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    assert has_color(opened("~/a.jpg").read(), RED)


def test_the_home_of_somebody_who_does_not_exist_is_said():
    with pytest.raises(
        CameraAbsentError, match="~nobody_at_all/a.jpg: there is no such home folder; write the path in full"
    ):
        opened("~nobody_at_all/a.jpg")


def test_scenes_are_drawn():
    camera = opened("scene")
    picture = camera.read()
    assert picture.ndim == 3 and picture.shape[2] == 3
    camera.close()


def test_a_source_that_does_not_exist_says_what_it_can_be():
    with pytest.raises(
        CameraAbsentError, match=r"camera.source picam does not exist; it can be pi, scene, a folder, .*rtsp://"
    ):
        opened("picam")
    with pytest.raises(CameraAbsentError, match="holiday.mp4 does not exist"):
        opened("/nowhere/holiday.mp4")
    with pytest.raises(CameraAbsentError, match="holiday.jpg does not exist"):
        opened("/nowhere/holiday.jpg")


def test_the_pis_camera_is_chosen_by_a_number():
    with pytest.raises(SettingsError, match="after pi: comes the camera's number"):
        opened("pi:left")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CameraAbsentError, match="neither a file, a folder nor a camera"):
        opened(tmp_path / "pipe")


def test_large_libraries_are_imported_only_for_sources_that_need_them(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    script = (
        "import sys; from appliance.camera.open import open_camera; from appliance.settings.schema import CameraSettings\n"
        "for source in sys.argv[1:]: open_camera(CameraSettings(source=source), (224, 224)).read()\n"
        "print([name for name in ('av', 'picamera2', 'cv2') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, "scene", str(tmp_path), str(tmp_path / "a.jpg")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
