"""Picture files: they are read upright and as RGB, and an unreadable one raises an error."""

import io
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from appliance.errors import PictureError
from appliance.imaging import files as picture
from appliance.imaging.files import detect_picture_format, encode_jpeg, make_thumbnail, read_picture


def corners() -> np.ndarray:
    """Return a 40 x 24 picture whose upper left quarter is red and whose other quarters are blue."""
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:, :] = (0, 0, 255)
    pixels[:12, :20] = (255, 0, 0)
    return pixels


def test_pixels_are_rgb_and_writable(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(corners()).save(path)
    pixels = read_picture(path)
    assert pixels.dtype == np.uint8 and pixels.flags.writeable
    assert np.array_equal(pixels, corners())


@pytest.mark.parametrize(
    ("orientation", "turns", "mirrored"), [(1, 0, False), (2, 0, True), (3, 2, False), (6, -1, False), (8, 1, False)]
)
def test_exif_orientation_is_applied(tmp_path, orientation, turns, mirrored):
    path = tmp_path / "phone.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corners()).save(path, exif=exif)
    expected = np.rot90(corners()[:, ::-1] if mirrored else corners(), turns)
    assert np.array_equal(read_picture(path), expected)


def test_common_modes_become_rgb(tmp_path):
    red = (255, 0, 0)
    Image.new("RGBA", (8, 8), (*red, 10)).save(tmp_path / "alpha.png")
    Image.new("P", (8, 8), 0).save(tmp_path / "palette.gif")
    Image.new("L", (8, 8), 77).save(tmp_path / "gray.png")
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "cmyk.jpg")
    Image.new("1", (8, 8), 1).save(tmp_path / "bits.png")
    assert read_picture(tmp_path / "alpha.png")[0, 0].tolist() == list(red)
    assert read_picture(tmp_path / "gray.png")[0, 0].tolist() == [77, 77, 77]
    assert read_picture(tmp_path / "bits.png")[0, 0].tolist() == [255, 255, 255]
    for name in ("palette.gif", "cmyk.jpg"):
        assert read_picture(tmp_path / name).shape == (8, 8, 3)


def test_gray_with_16_bits_keeps_its_brightness(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)).save(path)
    assert read_picture(path)[0, 0].tolist() == [128, 128, 128]


def test_animation_is_its_first_frame(tmp_path):
    path = tmp_path / "two.gif"
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 255, 0))
    first.save(path, save_all=True, append_images=[second], duration=100)
    assert read_picture(path)[0, 0].tolist() == [255, 0, 0]


def test_unreadable_file_is_an_error_with_its_name(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    (tmp_path / "cut.jpg").write_bytes(encode_jpeg(corners())[:200])
    whole = io.BytesIO()
    Image.effect_noise((300, 300), 50).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:2000])
    for name, says in [
        ("empty.jpg", "not a picture"),
        ("page.jpg", "not a picture"),
        ("cut.jpg", "picture"),
        ("cut.png", "cannot be read"),
        ("missing.jpg", "does not exist"),
        (".", "folder"),
    ]:
        with pytest.raises(PictureError, match=says) as caught:
            read_picture(tmp_path / name)
        assert str(tmp_path) in str(caught.value)


def test_picture_that_exhausts_the_memory_is_refused(tmp_path, recwarn):
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 11_000)).save(path)
    with pytest.raises(PictureError, match=f"more than the limit of {picture.MAX_PX // 1_000_000} million"):
        read_picture(path)
    assert not recwarn.list


def test_jpeg_keeps_size_and_color():
    with Image.open(io.BytesIO(encode_jpeg(corners()[:, ::-1]))) as image:
        assert image.size == (40, 24)
        red, _, blue = image.convert("RGB").getpixel((35, 4))
    assert red > 200 and blue < 80


def test_stream_is_read_like_a_file():
    content = encode_jpeg(corners())
    assert read_picture(io.BytesIO(content), "a/1.jpg").shape == (24, 40, 3)
    with pytest.raises(PictureError, match="^a/1.jpg cannot be read"):
        read_picture(io.BytesIO(content[:300]), "a/1.jpg")


def test_small_picture_is_decoded_small(tmp_path):
    whole = np.asarray(Image.fromarray(corners()).resize((1600, 1200)))
    pixels = read_picture(io.BytesIO(encode_jpeg(whole)), "big.jpg", least_px=100)
    assert 100 <= pixels.shape[0] < 300
    assert pixels[5, 5, 0] > 200 > 80 > pixels[5, 5, 2]


def test_thumbnail_is_a_square_of_the_upright_picture():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated clockwise
    out = io.BytesIO()
    Image.fromarray(corners()).resize((400, 240)).save(out, "JPEG", exif=exif)
    square = make_thumbnail(out.getvalue(), "phone.jpg", 16)
    assert square.shape == (16, 16, 3)
    assert square[2, 13, 0] > 200 and square[2, 2, 2] > 200  # red was in the upper left, and is now in the upper right


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "ICO", "WEBP", "TIFF"])
def test_format_is_detected_from_the_first_bytes(form):
    out = io.BytesIO()
    Image.fromarray(corners()).save(out, form)
    assert detect_picture_format(out.getvalue()[:16]) == form


def test_warnings_of_pillow_are_hidden(tmp_path):
    palette = Image.fromarray(corners()).convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes(range(200)))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x10\0\x12\x01\x03\0\xff\xff\xff\xff\x06"
    Image.fromarray(corners()).save(tmp_path / "exif.jpg", exif=exif)
    # In a separate process, because pytest changes the handling of warnings.
    read = (
        "import sys; from pathlib import Path; from appliance.imaging.files import read_picture; "
        "read_picture(Path(sys.argv[1]))"
    )
    for name in ("palette.png", "exif.jpg"):
        done = subprocess.run(
            [sys.executable, "-c", read, tmp_path / name], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_other_content_has_no_format():
    assert detect_picture_format(b"<html>") is None and detect_picture_format(b"") is None
    assert detect_picture_format(b"BMW\nAudi\nVolkswagen\n") is None and detect_picture_format(b"BM") is None


def test_pipe_is_an_error_instead_of_a_wait(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(tmp_path / "a.jpg")


def test_socket_in_place_of_a_picture_is_described_without_a_number(tmp_path):
    path = tmp_path / "a.jpg"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(PictureError) as raised:
            read_picture(path)
    assert "Errno" not in str(raised.value) and str(raised.value).count("a.jpg") == 1
