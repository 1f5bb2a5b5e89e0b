"""Measurements of the process and the machine."""

import socket
from ipaddress import ip_address

from appliance.system import metrics


def test_memory_of_this_process_is_measured():
    assert 1 < metrics.measure_rss_mb() < 10_000


def test_temperature_is_in_degrees(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "_THERMAL", tmp_path / "temp")
    (tmp_path / "temp").write_text("48312\n")
    assert metrics.read_cpu_temp_c() == 48.3


def test_machine_without_a_thermometer_has_no_temperature(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "_THERMAL", tmp_path / "none")
    assert metrics.read_cpu_temp_c() is None
    (tmp_path / "none").write_text("hot")
    assert metrics.read_cpu_temp_c() is None


def test_free_disk_space_is_measured_or_unknown(tmp_path):
    assert metrics.measure_free_disk_mb(tmp_path) > 0
    assert metrics.measure_free_disk_mb(tmp_path / "missing") is None


def test_address_is_an_address_or_unknown():
    address = metrics.read_ip_address()
    assert address is None or ip_address(address)


def test_address_without_a_router_is_that_of_an_interface(monkeypatch):
    class Unrouted(socket.socket):
        def connect(self, *_):
            raise OSError("Network is unreachable")

    monkeypatch.setattr("appliance.system.metrics.socket.socket", Unrouted)
    address = metrics.read_ip_address()
    assert address is None or (ip_address(address) and not ip_address(address).is_loopback)
