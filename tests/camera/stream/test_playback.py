"""How an opened input is played: which packets are decoded, and which are not."""

import time

import numpy as np

from appliance.camera.stream.playback import InputEndError, LiveCamera, RecordedCamera


class CountedInput:
    """An input whose frames are numbers; it keeps those that were decoded and converted."""

    shown = description = "counted"
    on_demand = False
    frame_s = 0.01
    damaged = 0

    def __init__(self, packets: int, whole_pictures: bool, pause_s: float = 0.0):
        self.whole_pictures = whole_pictures
        self.decoded: list[int] = []
        self.passed: list[int] = []
        self.converted: list[int] = []
        self.closed = 0
        self.given = 0
        self._packets = packets
        self._pause_s = pause_s

    def packet(self):
        if self.given == self._packets:
            raise InputEndError
        time.sleep(self._pause_s)
        self.given += 1
        return self.given - 1

    def frames(self, packet, passing=False):
        (self.passed if passing else self.decoded).append(packet)
        return [packet]

    def time_s(self, item):
        return item * self.frame_s

    def pixels(self, frame):
        self.converted.append(frame)
        return np.full((1, 1, 3), frame, np.uint8)

    def close(self):
        self.closed += 1


def test_whole_pictures_that_are_passed_over_are_not_decoded():
    source = CountedInput(100, whole_pictures=True)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert [int(camera.read()[0, 0, 0]) for _ in range(4)] == [0, 10, 20, 30]
    assert source.decoded == source.converted == [0, 10, 20, 30] and source.passed == []


def test_frames_that_others_need_are_decoded_in_passing_and_not_converted():
    source = CountedInput(100, whole_pictures=False)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert [int(camera.read()[0, 0, 0]) for _ in range(3)] == [0, 10, 20]
    assert source.decoded == source.converted == [0, 10, 20]
    assert source.passed == [number for number in range(20) if number % 10]


def test_a_live_input_of_whole_pictures_is_decoded_only_for_frames_that_are_read():
    source = CountedInput(10**9, whole_pictures=True, pause_s=0.001)
    camera = LiveCamera(source, 5)
    first = camera.read()[0, 0, 0]
    given = source.given
    while source.given < given + 50:
        time.sleep(0.001)
    newest = int(camera.read()[0, 0, 0])
    assert first < 5 and newest >= given + 45
    assert len(source.decoded) == 2 and camera.dropped >= 40
    assert source.closed == 0
    camera.close()
    assert source.closed >= 1
