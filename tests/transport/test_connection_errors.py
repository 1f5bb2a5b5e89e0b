"""The reasons of failed connections."""

import errno
import socket
import ssl

import pytest
import requests
import urllib3

from appliance.transport import trust
from appliance.transport.connection_errors import describe_connection_error, is_file_error, iterate_causes

URL = "https://me:pw@host/m?key=s3cret"


def wrap(cause):
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/m", cause))


@pytest.mark.parametrize(
    ("error", "fact"),
    [
        (wrap(socket.gaierror(-2, "Name or service not known")), "cannot be found"),
        (wrap(ConnectionRefusedError(111, "Connection refused")), "refuses the connection"),
        (wrap(urllib3.exceptions.ConnectTimeoutError()), "not reached within 2 s"),
        (TimeoutError(), "sent nothing for 3 s"),
        (requests.ReadTimeout(), "sent nothing for 3 s"),
        (urllib3.exceptions.ProtocolError("x", urllib3.exceptions.IncompleteRead(1, 2)), "before everything was sent"),
        (wrap(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")), "lost: Connection reset by peer"),
        (wrap(ssl.SSLCertVerificationError(1, "certificate verify failed")), "no secure connection"),
    ],
)
def test_reason_is_that_of_the_first_cause(error, fact):
    reason = describe_connection_error(error, URL, connect_s=2, silence_s=3)
    assert fact in reason and "https://host/m" in reason
    assert "pw" not in reason and "s3cret" not in reason


def test_wrong_clock_is_the_remedy_for_a_certificate(monkeypatch):
    monkeypatch.setattr(trust, "is_clock_before_build", lambda: True)
    assert "timedatectl" in describe_connection_error(ssl.SSLCertVerificationError(1, "expired"), URL, 1, 1)


def test_causes_that_refer_to_each_other_end():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert list(iterate_causes(first)) == [first, second]


@pytest.mark.parametrize(
    ("error", "is_file"),
    [
        (FileNotFoundError(errno.ENOENT, "x", "/a"), True),
        (OSError(errno.ENOSPC, "x"), True),
        (ConnectionResetError(errno.ECONNRESET, "x"), False),
        (requests.ConnectionError("x"), False),
        (ValueError("x"), False),
    ],
)
def test_error_of_a_file_is_no_connection_error(error, is_file):
    assert is_file_error(error) == is_file
