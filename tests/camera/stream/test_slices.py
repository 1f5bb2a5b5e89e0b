"""Slice headers of real H.264 and H.265 packets: where frames begin, and gaps in their numbers."""

import io

import av
import pytest

from appliance.camera.stream.slices import SliceReader
from support.streams import level, video_bytes


def read_headers(codec: str, form: str):
    """Return the reader, and the header of each packet of a video with a key frame first."""
    data = video_bytes([level(20 + 3 * number) for number in range(40)], codec, form)
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        reader = SliceReader(video.codec_context.name, video.codec_context.extradata)
        packets = [bytes(packet) for packet in container.demux(video) if packet.size]
    return reader, [reader.read(packet) for packet in packets]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("form", ["mp4", "mpegts"])
def test_each_packet_begins_a_frame_and_the_first_is_key(codec, form):
    _, headers = read_headers(codec, form)
    assert all(header.begins_frame for header in headers)
    assert headers[0].is_key and not headers[1].is_key


@pytest.mark.parametrize("form", ["mp4", "mpegts"])
def test_no_gap_in_a_whole_video_and_one_after_a_lost_reference(form):
    reader, headers = read_headers("libx264", form)
    assert not any(reader.is_after_gap(header) for header in headers)
    reader, headers = read_headers("libx264", form)
    references = [number for number, header in enumerate(headers) if header.is_reference]
    del headers[references[3]]
    assert any(reader.is_after_gap(header) for header in headers)


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x01", b"\x00\x00\x01\x67\xff\xff", b"\x00\x00\x01\x65", b"\xff" * 99])
def test_foreign_bytes_are_no_slice(data):
    reader = SliceReader("h264", b"\x00\x00\x01\x67\x64\x00")
    header = reader.read(data)
    assert header is None or header.number is None
