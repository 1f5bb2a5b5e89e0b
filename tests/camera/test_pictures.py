"""A folder of pictures, or one picture, as a camera."""

import logging
import os
import shutil

import numpy as np
import pytest

from appliance.camera.pictures import PictureCamera
from appliance.errors import CameraAbsentError, CameraEndedError
from appliance.imaging.files import read_picture
from support.streams import BLUE, DATA, GREEN, RED, camera_lines, has_color, jpeg, plain


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a red, a green and a blue picture, and files that are not pictures."""
    for name, color in (("b.jpg", GREEN), ("a.JPG", RED), ("c.jpeg", BLUE)):
        (tmp_path / name).write_bytes(jpeg(plain(color)))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.jpg").write_text("not a picture either")
    (tmp_path / "folder.jpg.d").mkdir()
    return tmp_path


def read_colors(camera, count):
    names = []
    for _ in range(count):
        picture = camera.read()
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.flags.c_contiguous
        known = {"red": RED, "green": GREEN, "blue": BLUE}
        names.append(next(name for name, color in known.items() if has_color(picture, color)))
    return names


def test_folder_repeats_in_the_order_of_names(folder):
    camera = PictureCamera(folder, loop=True)
    assert not camera.live and camera.dropped == 0
    assert camera.description == f"3 pictures in {folder}"
    assert read_colors(camera, 7) == ["red", "green", "blue"] * 2 + ["red"]
    camera.close()
    camera.close()


def test_folder_without_loop_ends(folder):
    camera = PictureCamera(folder, loop=False)
    assert read_colors(camera, 3) == ["red", "green", "blue"]
    for _ in range(2):
        with pytest.raises(CameraEndedError, match="playback of .* ended"):
            camera.read()


def test_unreadable_pictures_are_skipped_and_logged_once(folder, caplog):
    caplog.set_level(logging.WARNING)
    (folder / "aa.jpg").write_text("not a JPEG")
    (folder / "bb.png").write_bytes(jpeg(plain(RED))[:200])
    camera = PictureCamera(folder, loop=True)
    assert read_colors(camera, 6) == ["red", "green", "blue"] * 2
    assert read_colors(PictureCamera(folder, loop=True), 3) == [
        "red",
        "green",
        "blue",
    ]  # as after a different failure
    assert [record.message.count("aa.jpg") for record in camera_lines(caplog)].count(1) == 1
    assert len(camera_lines(caplog)) == 2


def test_folder_is_listed_again_in_each_round(folder):
    camera = PictureCamera(folder, loop=True)
    assert read_colors(camera, 3) == ["red", "green", "blue"]
    (folder / "b.jpg").unlink()
    (folder / "d.jpg").write_bytes(jpeg(plain(RED)))
    assert read_colors(camera, 3) == ["red", "blue", "red"]


def test_empty_folder_is_absent(tmp_path):
    with pytest.raises(CameraAbsentError, match=r"contains no picture"):
        PictureCamera(tmp_path, loop=True)


def test_unreadable_folder_is_absent_instead_of_looping(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_text("no")
    with pytest.raises(
        CameraAbsentError, match=r"none of the 2 pictures in .* can be read; last error: .*b.jpg is not a picture"
    ):
        PictureCamera(tmp_path, loop=True).read()


def test_single_picture_repeats_and_belongs_to_the_caller(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(GREEN)))
    camera = PictureCamera(tmp_path / "a.jpg", loop=True)
    camera.read()[:] = 0
    assert read_colors(camera, 3) == ["green"] * 3


def test_single_picture_is_decoded_once_until_it_changes(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(plain(RED)))
    camera = PictureCamera(path, loop=True)
    camera.read()
    status = path.stat()
    path.write_bytes(bytes(status.st_size))  # the same size and time: it is not read again
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_colors(camera, 2) == ["red"] * 2
    path.write_bytes(jpeg(plain(BLUE)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    assert read_colors(camera, 1) == ["blue"]


def test_single_picture_without_loop_is_one_frame(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(plain(RED)))
    camera = PictureCamera(tmp_path / "a.jpg", loop=False)
    camera.read()
    with pytest.raises(CameraEndedError):
        camera.read()


def test_unreadable_single_picture_is_absent(tmp_path):
    (tmp_path / "a.jpg").write_text("no")
    with pytest.raises(CameraAbsentError, match="a.jpg is not a picture in a known format"):
        PictureCamera(tmp_path / "a.jpg", loop=True).read()
    with pytest.raises(CameraAbsentError, match="b.jpg does not exist"):
        PictureCamera(tmp_path / "b.jpg", loop=True)


@pytest.mark.skipif(not (DATA / "data/images").is_dir(), reason="no shared pictures (APPLIANCE_TEST_DATA)")
def test_real_pictures_are_unchanged():
    camera = PictureCamera(DATA / "data/images", loop=False)
    first = camera.read()
    assert np.array_equal(first, read_picture(DATA / "data/images/bird.bmp"))
    count = 1
    with pytest.raises(CameraEndedError):
        while camera.read().size:
            count += 1
    assert count == len(
        [path for path in (DATA / "data/images").iterdir() if path.suffix in (".jpg", ".jpeg", ".png", ".bmp")]
    )


def test_pipe_between_pictures_is_named_and_does_not_block(folder, caplog):
    caplog.set_level(logging.WARNING)
    os.mkfifo(folder / "aa.jpg")
    camera = PictureCamera(folder, loop=True)
    assert read_colors(camera, 6) == ["red", "green", "blue"] * 2
    assert caplog.text.count("aa.jpg is not a regular file") == 1
    os.mkfifo(folder / "single.jpg.png")
    with pytest.raises(CameraAbsentError, match="not a regular file"):
        PictureCamera(folder / "single.jpg.png", loop=True)


def test_deleted_folder_is_one_error_instead_of_a_line_for_each_picture(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    for number in range(300):
        (tmp_path / f"{number:03}.jpg").write_bytes(jpeg(plain(RED, 16, 16)))
    camera = PictureCamera(tmp_path, loop=True)
    camera.read()
    shutil.rmtree(tmp_path)
    with pytest.raises(CameraAbsentError, match="does not exist"):
        camera.read()
    assert not camera_lines(caplog)


def test_many_unreadable_pictures_write_one_line_with_a_count(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    for number in range(300):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"no")
    (tmp_path / "a.png").write_bytes(jpeg(plain(RED, 16, 16)))
    camera = PictureCamera(tmp_path, loop=True)
    assert read_colors(camera, 3) == ["red"] * 3
    assert len(camera_lines(caplog)) == 4 and "297 more pictures" in caplog.text
