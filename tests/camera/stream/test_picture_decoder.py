"""Decoding of single pictures: damage is refused, unless the camera never sends anything better."""

import io

import numpy as np
from PIL import Image

from appliance.camera.stream.picture_decoder import STRICT_ATTEMPTS, PictureDecoder
from support.streams import BLUE, RED, has_color, jpeg, noise, plain, png


def test_jpeg_and_other_formats_have_the_right_colors():
    decoder = PictureDecoder(None)
    for content, name in ((jpeg(plain(RED)), "JPEG"), (png(plain(RED)), "PNG"), (png(plain(RED), "gif"), "GIF")):
        pixels = decoder.decode(content)
        assert pixels.shape == (240, 320, 3) and pixels.flags.c_contiguous and pixels.flags.owndata
        assert has_color(pixels, RED) and decoder.format_name == name


def test_gray_and_progressive_jpegs_are_decoded():
    out = io.BytesIO()
    Image.fromarray(noise()).convert("L").save(out, "jpeg", progressive=True)
    pixels = PictureDecoder(None).decode(out.getvalue())
    assert np.array_equal(pixels[..., 0], pixels[..., 1])


def test_orientation_of_a_jpeg_is_applied():
    picture = plain(BLUE, 40, 20)
    picture[:, :20] = RED
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # rotate a quarter clockwise for display
    Image.fromarray(picture).save(out, "jpeg", exif=exif)
    pixels = PictureDecoder(None).decode(out.getvalue())
    assert pixels.shape == (40, 20, 3)
    assert has_color(pixels[:20], RED, 30) and has_color(pixels[20:], BLUE, 30)


def test_size_scales_every_format():
    decoder = PictureDecoder((160, 100))
    for content in (jpeg(plain(RED)), png(plain(RED))):
        pixels = decoder.decode(content)
        assert pixels.shape == (100, 160, 3) and has_color(pixels, RED)


def test_damage_is_refused_after_a_sound_picture():
    whole, damaged = jpeg(noise()), jpeg(noise())[:-4000] + b"\xff\xd9"
    decoder = PictureDecoder(None)
    assert decoder.decode(whole) is not None
    for _ in range(3 * STRICT_ATTEMPTS):
        assert decoder.decode(damaged) is None
        assert decoder.decode(whole, is_complete=False) is None
    assert decoder.decode(b"\xff\xd8\xff\xe0 nothing") is None and decoder.decode(b"no picture") is None
    assert decoder.decode(whole) is not None


def test_camera_that_sends_only_damaged_pictures_is_accepted_after_attempts():
    damaged = jpeg(noise())[:-4000] + b"\xff\xd9"
    decoder = PictureDecoder(None)
    results = [decoder.decode(damaged) for _ in range(STRICT_ATTEMPTS + 3)]
    assert [result is None for result in results] == [True] * STRICT_ATTEMPTS + [False] * 3


def test_huge_picture_is_refused_without_memory():
    head = jpeg(plain(RED, 16, 16))
    at = head.index(b"\xff\xc0") + 5
    huge = head[:at] + (65_000).to_bytes(2) * 2 + head[at + 4 :]
    assert PictureDecoder(None).decode(huge) is None
