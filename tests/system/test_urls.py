"""Loopback hosts and URLs without secrets."""

import pytest

from appliance.system.urls import is_loopback, redact, without_credentials


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_host_is_recognized(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "128.0.0.1", "::2"])
def test_other_host_is_not_loopback(host):
    assert not is_loopback(host)


def test_credentials_of_each_url_are_replaced():
    text = "rtsp://me:p%40ss@cam/1 and https://token@host/x, mail a@b"
    assert without_credentials(text) == "rtsp://…@cam/1 and https://…@host/x, mail a@b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@host:1/a/b?token=x#y", "https://host:1/a/b"),
        ("https://host/a", "https://host/a"),
        ("http://me:p@w@[::1]:8080/", "http://[::1]:8080/"),
    ],
)
def test_redacted_url_holds_no_secret(url, shown):
    assert redact(url) == shown
