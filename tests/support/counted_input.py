"""An opened source of numbered frames, which records what happens to each; for the tests of playback."""

import time
from dataclasses import dataclass

import numpy as np

from appliance.camera.stream.playback import InputEndError


@dataclass(frozen=True)
class CountedPacket:
    """A packet that contains the frame of its number."""

    number: int
    time_s: float
    is_key: bool


class CountedInput:
    """An input whose frames are numbers; it records which were decoded, skipped and converted."""

    display_name = description = "counted"
    is_playlist = may_be_file = False
    damaged = damaged_in_row = 0

    def __init__(
        self, packets: int, intra_only: bool, pause_s: float = 0.0, key_every: int = 0, frame_duration_s: float = 0.01
    ):
        self.intra_only = intra_only
        self.frame_duration_s = frame_duration_s
        self.decoded: list[int] = []
        self.decoded_alone: list[int] = []
        self.skipped: list[int] = []
        self.converted: list[int] = []
        self.closed = 0
        self.delivered = 0
        self._packets = packets
        self._pause_s = pause_s
        self._key_every = key_every

    def open(self):
        pass

    def read_packet(self):
        if self.delivered == self._packets:
            raise InputEndError
        time.sleep(self._pause_s)
        number = self.delivered
        self.delivered += 1
        is_key = self.intra_only or (bool(self._key_every) and number % self._key_every == 0)
        return CountedPacket(number, number * self.frame_duration_s, is_key)

    def decode(self, packet, skippable=False):
        (self.skipped if skippable else self.decoded).append(packet.number)
        return [packet.number]

    def decode_alone(self, packet):
        self.decoded_alone.append(packet.number)
        return [packet.number]

    def timestamp_s(self, item):
        return item * self.frame_duration_s

    def convert_to_rgb(self, frame):
        self.converted.append(frame)
        return np.full((1, 1, 3), frame, np.uint16)

    def abort(self):
        pass

    def close(self):
        self.closed += 1
