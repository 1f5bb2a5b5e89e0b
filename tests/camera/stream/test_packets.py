"""Packets as read: key frames that were split are joined, and packets after a loss are marked."""

import io

import av
import pytest

from appliance.camera.stream.packets import PacketReader
from support.streams import level, video_bytes


def read_all(reader):
    packets = []
    while True:
        try:
            packets.append(reader.read())
        except StopIteration:
            return packets


@pytest.fixture
def recording():
    """An H.264 recording: the container, its stream and its packets."""
    data = video_bytes([level(20 + 3 * number) for number in range(40)], "libx264", "mp4")
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        yield video, [packet for packet in container.demux(video) if packet.size]


def reader_of(video, packets, is_live=False):
    context = video.codec_context
    return PacketReader(lambda: iter(packets), context.name, context.extradata, is_live=is_live)


@pytest.mark.parametrize("is_live", [True, False])
def test_packets_pass_unchanged(recording, is_live):
    video, packets = recording
    read = read_all(reader_of(video, packets, is_live))
    assert [packet.data.pts for packet in read] == [packet.pts for packet in packets]
    assert [packet.is_key for packet in read] == [packet.is_keyframe for packet in packets]
    assert not any(packet.is_damaged for packet in read)


def test_packet_after_a_lost_frame_is_marked(recording):
    video, packets = recording
    read = read_all(reader_of(video, packets[:20] + packets[24:]))
    assert any(packet.is_damaged for packet in read[20:24]) and not any(packet.is_damaged for packet in read[:20])


def test_mark_of_a_transport_stream_covers_the_following_packet(recording):
    video, packets = recording
    packets[5].is_corrupt = True
    assert [packet.is_damaged for packet in read_all(reader_of(video, packets))[4:8]] == [False, True, True, False]


def test_closed_reader_has_no_packets(recording):
    reader = reader_of(*recording)
    reader.read()
    reader.close()
    with pytest.raises(StopIteration):
        reader.read()
