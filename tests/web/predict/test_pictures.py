"""Pictures of clients are decoded within limits."""

import io

import numpy as np
import pytest
from PIL import Image

from appliance.errors import PictureError
from appliance.imaging.files import encode_jpeg
from appliance.web.predict import pictures
from appliance.web.predict.pictures import decode_picture


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_common_formats_are_decoded(form):
    out = io.BytesIO()
    Image.new("RGB", (20, 10), (255, 0, 0)).save(out, form)
    pixels = decode_picture(out.getvalue(), "p")
    assert pixels.shape == (10, 20, 3) and pixels[5, 5, 0] > 240


@pytest.mark.parametrize("data", [b"", b"hello", b"%!PS-Adobe-3.0", b"\x00\x00\x01\x00", b"II*\x00" + bytes(50)])
def test_other_formats_are_refused(data):
    with pytest.raises(PictureError, match="known format"):
        decode_picture(data, "p")


def test_picture_with_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PX", 100)
    with pytest.raises(PictureError, match="20 x 10 pixels"):
        decode_picture(encode_jpeg(np.zeros((10, 20, 3), np.uint8)), "p")
