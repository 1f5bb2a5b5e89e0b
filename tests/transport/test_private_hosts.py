"""Test which hosts count as private."""

import pytest

from appliance.transport.private_hosts import is_private_host


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "172.31.0.1", "192.168.1.5", "169.254.3.4", "fd12::1", "fe80::1%eth0", "::1",
     "::ffff:192.168.1.5"],
)  # fmt: skip
def test_private_address_is_private(host):
    assert is_private_host(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "172.32.0.1", "2001:4860::1", "::ffff:8.8.8.8", "no-such-host.invalid", "x" * 300, "a..b", ""]
)
def test_public_and_unknown_hosts_are_not_private(host):
    assert not is_private_host(host)
