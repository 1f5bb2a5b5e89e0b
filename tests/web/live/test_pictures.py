"""Frames are encoded once for all viewers."""

import asyncio
import io
from contextlib import closing

import numpy as np
import pytest

from appliance.imaging.files import read_picture
from appliance.web.device import LiveFrame
from appliance.web.live.pictures import FramePictures, choose_size


@pytest.mark.parametrize(("width", "size"), [(None, 640), (1, 160), (160, 160), (161, 320), (5000, 1920)])
def test_next_larger_size_is_chosen(width, size):
    assert choose_size(width) == size


def test_viewers_share_a_picture_until_the_next_frame():
    reads, frames = [], []

    def read():
        reads.append(1)
        return np.zeros((480, 640, 3), np.uint8)

    async def scenario():
        frames.append(LiveFrame(1, read))
        first, second = await asyncio.gather(pictures.encode(320), pictures.encode(320))
        assert first == second and len(reads) == 1
        assert read_picture(io.BytesIO(first[1]), "frame").shape == (240, 320, 3)
        assert await pictures.encode(640) != first and len(reads) == 2
        frames.append(LiveFrame(2, read))
        assert (await pictures.encode(320))[0] == 2

    with closing(FramePictures(lambda: frames[-1])) as pictures:
        asyncio.run(scenario())


def test_viewer_that_leaves_does_not_cancel_the_picture_of_another():
    async def scenario():
        leaving = asyncio.create_task(pictures.encode(160))
        staying = asyncio.create_task(pictures.encode(160))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying)[0] == 1

    with closing(FramePictures(lambda: LiveFrame(1, lambda: np.zeros((99, 99, 3), np.uint8)))) as pictures:
        asyncio.run(scenario())


def test_without_a_frame_there_is_no_picture():
    with closing(FramePictures(lambda: None)) as pictures:
        assert asyncio.run(pictures.encode(160)) is None
