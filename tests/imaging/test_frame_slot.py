"""The slot between capture and labeling."""

import threading
import time

import numpy as np
import pytest

from appliance.imaging.frame import Frame
from appliance.imaging.frame_slot import FrameSlot


def frame(number):
    return Frame(np.zeros((2, 2, 3), np.uint8), 0.0, 0.0, number)


def test_newest_frame_replaces_an_unread_one():
    slot = FrameSlot()
    for number in (1, 2, 3):
        slot.put(frame(number))
    assert slot.get(0).number == 3
    assert slot.dropped == 2
    assert slot.get(0) is None


def test_frame_that_was_read_is_not_dropped():
    slot = FrameSlot()
    slot.put(frame(1))
    slot.get(0)
    slot.put(frame(2))
    assert slot.dropped == 0


@pytest.mark.parametrize("timeout_s", [0, 0.05])
def test_empty_slot_gives_none_after_the_timeout(timeout_s):
    start_s = time.monotonic()
    assert FrameSlot().get(timeout_s) is None
    assert time.monotonic() - start_s >= timeout_s


def test_waiting_reader_gets_the_frame():
    slot, numbers = FrameSlot(), []
    reader = threading.Thread(target=lambda: numbers.append(slot.get(10).number))
    reader.start()
    slot.put(frame(7))
    reader.join(5)
    assert numbers == [7]
