"""`appliance snapshot`: the newest frame as a JPEG."""

import base64
import io
import os
import stat

import numpy as np
import pytest
from PIL import Image

from appliance.cli import main
from appliance.control.server import ControlServer
from appliance.imaging.files import encode_jpeg
from appliance.system.paths import find_control_socket

JPEG = encode_jpeg(np.full((20, 30, 3), 200, np.uint8))


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def serve():
    """Return a function that starts a daemon with an answer."""
    servers = []

    def start(answer):
        path = find_control_socket()
        path.parent.mkdir(parents=True)
        servers.append(ControlServer(path, lambda _: answer))
        servers[0].start()

    yield start
    for server in servers:
        server.stop()


def make_answer(age_s=0.1):
    text = base64.b64encode(JPEG).decode()
    return {"settings": None, "frame": {"age_s": age_s}, "jpeg": [text[:100], text[100:]]}


def test_frame_of_the_daemon_is_written(serve, tmp_path, capsys):
    serve(make_answer())
    assert main(["snapshot", "a.jpg"]) == 0
    assert (tmp_path / "a.jpg").read_bytes() == JPEG
    assert capsys.readouterr() == ("a.jpg\n", "")
    assert main(["snapshot"]) == 0
    (made,) = tmp_path.glob("snapshot-*.jpg")
    assert made.read_bytes() == JPEG


def test_folder_gets_a_new_file(serve, tmp_path):
    serve(make_answer())
    (tmp_path / "pictures").mkdir()
    assert main(["snapshot", "pictures"]) == 0
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_frame_can_go_to_standard_output(serve, capsysbinary):
    serve(make_answer())
    assert main(["snapshot", "-"]) == 0
    assert capsysbinary.readouterr().out == JPEG


def test_old_frame_is_remarked(serve, capsys):
    serve(make_answer(35.0))
    assert main(["snapshot", "a.jpg"]) == 0
    assert "35 s old" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [{}, {"jpeg": 3}, {"jpeg": ["!"], "frame": {"age_s": 1}}, {"jpeg": []}], ids=str)
def test_answer_of_another_version_is_one_sentence(serve, answer, capsys, tmp_path):
    serve({"settings": None} | answer)
    assert main(["snapshot", "a.jpg"]) == 1
    assert "the same version" in capsys.readouterr().err
    assert not (tmp_path / "a.jpg").exists()


def test_place_that_cannot_be_written_is_one_sentence(serve, capsys):
    serve(make_answer())
    assert main(["snapshot", "missing/a.jpg"]) == 1
    assert "missing/a.jpg cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_device_is_written_to_and_not_replaced(serve, tmp_path):
    serve(make_answer())
    os.mknod(tmp_path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    assert main(["snapshot", "null"]) == 0
    assert (tmp_path / "null").is_char_device()


def test_camera_is_opened_here_without_a_daemon(tmp_path):
    (tmp_path / "a.toml").write_text('[camera]\nsource = "scene"\nregion = [0, 0, 0.5, 1]\nrotation = 90\n')
    assert main(["snapshot", "a.jpg", "--config", "a.toml"]) == 0
    width, height = Image.open(io.BytesIO((tmp_path / "a.jpg").read_bytes())).size
    assert height > 2 * width, "a turned and cut scene"
