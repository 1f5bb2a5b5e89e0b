"""Pictures are decoded once; unreadable ones are left out."""

from dataclasses import dataclass

import numpy as np

from appliance.imaging.files import encode_jpeg
from appliance.workshop.training.finetune.pixels import PixelFile


@dataclass(frozen=True)
class Stored:
    name: str
    content: bytes

    def read_bytes(self):
        return self.content


def test_unreadable_pictures_are_left_out():
    red, blue = (np.full((40, 60, 3), color, np.uint8) for color in ((250, 0, 0), (0, 0, 250)))
    pictures = [Stored("a", encode_jpeg(red)), Stored("b", b"no picture"), Stored("c", encode_jpeg(blue))]
    steps, file = [], PixelFile(3, 32)
    assert file.read(pictures, lambda done, total: steps.append((done, total))).tolist() == [0, 2]
    pixels = file.get(np.arange(2))
    assert len(file) == 2 and pixels.shape == (2, 32, 32, 3) and steps[-1] == (3, 3)
    assert pixels[0].mean(axis=(0, 1)).argmax() == 0 and pixels[1].mean(axis=(0, 1)).argmax() == 2
