"""RTSP messages and interleaved packets, in pieces of any size."""

import pytest

from appliance.camera.stream.rtsp_messages import RtspFormatError, RtspMessage, RtspSplitter

REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody"
PACKET = b"$\x00\x00\x05hello"


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_messages_and_packets_are_found_in_any_pieces(piece_bytes):
    data, splitter, parts = PACKET + REPLY + PACKET * 2 + b"\r\n" + REPLY, RtspSplitter(), []
    for start in range(0, len(data), piece_bytes):
        parts += splitter.add(data[start : start + piece_bytes])
    replies = [part for part in parts if isinstance(part, RtspMessage)]
    assert b"".join(part for part in parts if isinstance(part, bytes)) == PACKET * 3
    assert [(reply.status, reply.body, reply.values("cseq")) for reply in replies] == [(200, b"body", ["3"])] * 2


def test_header_is_replaced_and_encoded():
    message = next(iter(RtspSplitter().add(REPLY)))
    message.set("cseq", "9")
    assert message.encode() == b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\ncseq: 9\r\n\r\nbody"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"x" * 70_000,
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    ],
)
def test_other_protocols_and_endless_messages_are_refused(data):
    with pytest.raises(RtspFormatError):
        list(RtspSplitter().add(data))


def test_end_within_another_protocol_is_refused():
    splitter = RtspSplitter()
    assert list(splitter.add(b"<html>")) == []
    with pytest.raises(RtspFormatError, match="<html>"):
        splitter.check_end()
