"""Which Host headers name this device."""

import pytest

from appliance.web.access.hosts import is_own_host, parse_host


def is_own(header, local="192.168.1.5", public=None):
    return is_own_host(header, local, public, lambda: "Pi.home")


@pytest.mark.parametrize(
    "header", ["192.168.1.5", "192.168.1.5:8080", "localhost:1", "pi", "PI.local:8080", "pi.home.", "pi.local."]
)
def test_own_names_are_accepted(header):
    assert is_own(header)


@pytest.mark.parametrize(
    "header",
    ["", "evil.example", "192.168.1.6", "pi.local.evil", "pi@evil", "pi:80:80", "pi:", "a" * 300, "pi\t", "[pi]"],
)
def test_other_names_are_refused(header):
    assert not is_own(header)


def test_addresses_are_compared_as_addresses():
    assert is_own("[fd00::1]:8080", "fd00:0::1") and is_own("[fe80::1]", "fe80::1%eth0")
    assert is_own("10.0.0.1", "::ffff:10.0.0.1") and not is_own("[fd00::2]", "fd00::1")


def test_host_of_the_public_url_is_accepted():
    assert is_own("cam.example:443", public="https://Cam.example") and not is_own(
        "x.cam.example", public="https://cam.example"
    )


def test_port_must_be_possible():
    assert parse_host("pi:65535") == "pi" and parse_host("pi:65536") is None
