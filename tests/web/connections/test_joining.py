"""The header of an answer is sent with its body, and never kept."""

import pytest

from appliance.web.connections.joining import JoiningTransport

HEADER = b"HTTP/1.1 200 \r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\n"
STREAM = b"HTTP/1.1 200 \r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Recorder:
    """A transport that keeps what is written, and whether it was closed."""

    def __init__(self):
        self.written, self.closed = [], False

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed


@pytest.mark.parametrize(
    ("writes", "sent"),
    [
        ([HEADER, b"body", b""], [HEADER + b"body", b""]),
        ([HEADER, b"", b""], [HEADER, b""]),  # HEAD
        ([HEADER, b"body", HEADER, b"more"], [HEADER + b"body", HEADER + b"more"]),
        ([HEADER, HEADER], [HEADER + HEADER]),
        ([STREAM], [STREAM]),
        ([CONTINUE], [CONTINUE]),
        ([b"body with content-length: 4"], [b"body with content-length: 4"]),
    ],
)
def test_header_waits_only_for_the_body_of_known_length(writes, sent):
    recorder = Recorder()
    transport = JoiningTransport(recorder)
    for data in writes:
        transport.write(data)
    assert recorder.written == sent


def test_header_without_a_body_is_sent_at_the_end():
    recorder = Recorder()
    transport = JoiningTransport(recorder)
    transport.write(HEADER)
    assert not transport.is_closing()
    transport.close()
    assert recorder.written == [HEADER] and recorder.closed and transport.is_closing()
