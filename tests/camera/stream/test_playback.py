"""Playback of an opened input: which packets are decoded, and which are not."""

import time

import numpy as np

from appliance.camera.stream.playback import InputEndError, LiveCamera, RecordedCamera


class CountedInput:
    """An input whose frames are numbers; it records which were decoded, skipped and converted."""

    display_name = description = "counted"
    on_demand = False
    frame_duration_s = 0.01
    damaged_frames = 0

    def __init__(self, packets: int, intra_only: bool, pause_s: float = 0.0):
        self.intra_only = intra_only
        self.decoded: list[int] = []
        self.skipped: list[int] = []
        self.converted: list[int] = []
        self.closed = 0
        self.delivered = 0
        self._packets = packets
        self._pause_s = pause_s

    def read_packet(self):
        if self.delivered == self._packets:
            raise InputEndError
        time.sleep(self._pause_s)
        self.delivered += 1
        return self.delivered - 1

    def decode(self, packet, skippable=False):
        (self.skipped if skippable else self.decoded).append(packet)
        return [packet]

    def timestamp_s(self, item):
        return item * self.frame_duration_s

    def convert_to_rgb(self, frame):
        self.converted.append(frame)
        return np.full((1, 1, 3), frame, np.uint8)

    def close(self):
        self.closed += 1


def test_skipped_intra_only_packets_are_not_decoded():
    source = CountedInput(100, intra_only=True)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert [int(camera.read()[0, 0, 0]) for _ in range(4)] == [0, 10, 20, 30]
    assert source.decoded == source.converted == [0, 10, 20, 30] and source.skipped == []


def test_skipped_reference_frames_are_decoded_but_not_converted():
    source = CountedInput(100, intra_only=False)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert [int(camera.read()[0, 0, 0]) for _ in range(3)] == [0, 10, 20]
    assert source.decoded == source.converted == [0, 10, 20]
    assert source.skipped == [number for number in range(20) if number % 10]


def test_live_intra_only_input_decodes_only_read_frames():
    source = CountedInput(10**9, intra_only=True, pause_s=0.001)
    camera = LiveCamera(source, 5)
    first = camera.read()[0, 0, 0]
    delivered = source.delivered
    while source.delivered < delivered + 50:
        time.sleep(0.001)
    newest = int(camera.read()[0, 0, 0])
    assert first < 5 and newest >= delivered + 45
    assert len(source.decoded) == 2 and camera.dropped >= 40
    assert source.closed == 0
    camera.close()
    assert source.closed >= 1
