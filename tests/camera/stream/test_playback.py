"""Playback of a recording: which packets are decoded, and which are not."""

from appliance.camera.stream.playback import RecordedCamera
from support.counted_input import CountedInput


def shown(camera, count):
    """Return the numbers of the next frames."""
    return [int(camera.read()[0, 0, 0]) for _ in range(count)]


def test_skipped_intra_only_packets_are_not_decoded():
    source = CountedInput(100, intra_only=True)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert shown(camera, 4) == [0, 10, 20, 30]
    assert source.decoded == source.converted == [0, 10, 20, 30] and source.skipped == []


def test_skipped_reference_frames_are_decoded_but_not_converted():
    source = CountedInput(100, intra_only=False)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert shown(camera, 3) == [0, 10, 20]
    assert source.decoded == source.converted == [0, 10, 20]
    assert source.skipped == [number for number in range(20) if number % 10]


def test_only_key_frames_are_decoded_if_they_suffice():
    source = CountedInput(1000, intra_only=False, key_every=5)
    camera = RecordedCamera(source, lambda: source, fps=10, loop=True)
    assert shown(camera, 5)[2:] == [20, 30, 40]
    assert source.decoded_alone == source.converted[-len(source.decoded_alone) :]
    assert set(source.decoded) | set(source.skipped) <= set(range(16))  # until the interval was known
