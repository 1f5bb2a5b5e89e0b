"""A folder that a camera fills: each picture once, complete ones only, as they arrive."""

import io
import logging
import os
import shutil
import threading
import time

import numpy as np
import pytest

from appliance.camera import folder as folder_module
from appliance.camera.folder import FollowedFolder
from appliance.errors import CameraAbsentError
from appliance.imaging.files import read_picture
from support.streams import (
    BLUE,
    GREEN,
    RED,
    camera_lines,
    has_color,
    jpeg,
    noise,
    open_source,
    opening_error,
    plain,
    reading_error,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, seconds in (("POLL_S", 0.05), ("SETTLE_S", 0.1), ("WAIT_S", 0.3)):
        monkeypatch.setattr(folder_module, name, seconds)


def color_of(pixels):
    names = {"red": RED, "green": GREEN, "blue": BLUE}
    return None if pixels is None else next(name for name, color in names.items() if has_color(pixels, color))


def next_color(camera, limit_s=3.0):
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if (pixels := camera.read()) is not None:
            return color_of(pixels)
    return None


def test_pictures_are_delivered_once_then_new_ones_as_they_arrive(tmp_path):
    (tmp_path / "b.jpg").write_bytes(jpeg(plain(GREEN)))
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    camera = open_source(tmp_path, loop=False)
    assert isinstance(camera, FollowedFolder) and "2 pictures" in camera.description
    assert [next_color(camera), next_color(camera)] == ["red", "green"]
    assert camera.read() is None
    (tmp_path / "0.jpg").write_bytes(jpeg(plain(BLUE)))  # sorted before the others
    assert next_color(camera) == "blue"
    assert camera.read() is None


def test_empty_folder_waits_for_its_first_picture(tmp_path):
    camera = open_source(tmp_path, loop=False)
    assert camera.read() is None
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    assert next_color(camera) == "red"


def test_file_that_is_overwritten_is_a_new_picture(tmp_path):
    path = tmp_path / "current.jpg"
    path.write_bytes(jpeg(plain(RED)))
    camera = open_source(tmp_path, loop=False)
    assert next_color(camera) == "red"
    path.write_bytes(jpeg(plain(BLUE)))
    assert next_color(camera) == "blue"


def test_picture_is_delivered_only_when_it_is_complete(tmp_path):
    content = jpeg(plain(GREEN))
    (tmp_path / "a.jpg").write_bytes(content[:400])  # an upload that is in progress at the start
    camera = open_source(tmp_path, loop=False)
    assert camera.read() is None
    for end in (600, 800, 1000):  # slower than the time after which a file seems complete
        (tmp_path / "a.jpg").write_bytes(content[:end])
        assert camera.read() is None
    (tmp_path / "a.jpg").write_bytes(content)
    assert next_color(camera) == "green"
    assert camera.read() is None


def test_file_written_out_of_order_is_delivered_only_when_it_rests(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "SETTLE_S", 0.4)
    content = jpeg(noise())
    camera = open_source(tmp_path, loop=False)
    middle = len(content) // 2
    for end in range(middle, middle + 10):  # it could be decoded all the time, with a gray half
        (tmp_path / "a.jpg").write_bytes(content[:end] + bytes(len(content) - end - 2) + content[-2:])
        assert camera.read() is None
    (tmp_path / "a.jpg").write_bytes(content)
    while (pixels := camera.read()) is None:
        pass
    assert np.array_equal(pixels, read_picture(io.BytesIO(content), "whole"))


def test_damaged_and_special_files_are_named_once_and_do_not_block(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(folder_module, "GIVE_UP_S", 0.2)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    camera = open_source(tmp_path, loop=False)
    for _ in range(5):
        assert camera.read() is None
    (tmp_path / "good.jpg").write_bytes(jpeg(plain(RED)))
    assert next_color(camera) == "red"
    assert [caplog.text.count(name) for name in ("pipe.jpg is not a regular file", "bad.jpg")] == [1, 1]
    assert len(camera_lines(caplog)) == 2


def test_many_damaged_files_write_few_lines(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(folder_module, "GIVE_UP_S", 0.0)
    for number in range(500):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"no")
    camera = open_source(tmp_path, loop=False)
    camera.read()
    assert 4 <= len(camera_lines(caplog)) <= 12 and "256 pictures" in caplog.text


def test_deleted_folder_is_absent_and_continues_when_it_returns(tmp_path):
    folder, aside = tmp_path / "in", tmp_path / "aside"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(plain(RED)))
    camera = open_source(folder, loop=False)
    assert next_color(camera) == "red"
    shutil.move(folder, aside)
    error = reading_error(camera)
    assert isinstance(error, CameraAbsentError) and str(folder) in str(error)
    assert str(error) == str(opening_error(folder, loop=False))  # so that the log has one line
    shutil.move(aside, folder)
    (folder / "b.jpg").write_bytes(jpeg(plain(BLUE)))
    camera = open_source(folder, loop=False)
    assert next_color(camera) == "blue"
    assert next_color(open_source(folder, loop=False)) == "red"  # a new start delivers all


def test_pictures_are_not_delivered_again_after_a_pause(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    camera = open_source(tmp_path, loop=False)
    assert next_color(camera) == "red"
    camera.close()
    (tmp_path / "b.jpg").write_bytes(jpeg(plain(BLUE)))
    camera = open_source(tmp_path, loop=False)
    assert next_color(camera) == "blue"
    assert camera.read() is None


def test_removed_files_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "GIVE_UP_S", 0.0)
    camera = open_source(tmp_path, loop=False)
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")
        camera.read()
        assert camera._reported == {f"{number}.jpg"}
        (tmp_path / f"{number}.jpg").unlink()


def test_arrivals_in_bursts_are_all_delivered_in_order(tmp_path):
    camera = open_source(tmp_path, loop=False)

    def upload():
        for number, color in enumerate([RED, GREEN, BLUE] * 4):
            path = tmp_path / f"{number % 5}-{number}.png"
            (tmp_path / "upload.tmp").write_bytes(jpeg(plain(color)))
            os.utime(tmp_path / "upload.tmp", ns=(number * 10**9, number * 10**9))
            (tmp_path / "upload.tmp").rename(path)

    thread = threading.Thread(target=upload)
    thread.start()
    thread.join()
    assert [next_color(camera) for _ in range(12)] == ["red", "green", "blue"] * 4
