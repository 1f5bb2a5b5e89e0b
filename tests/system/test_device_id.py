"""The identity of the device and of the boot."""

import os
import re
from pathlib import Path

import pytest

from appliance.system.device_id import boot_id, resolve_device_id


def system_files(root, **numbers):
    files = {
        "serial": "proc/device-tree/serial-number",
        "machine": "etc/machine-id",
        "boot": "proc/sys/kernel/random/boot_id",
    }
    for kind, number in numbers.items():
        path = root / files[kind]
        path.parent.mkdir(parents=True)
        path.write_bytes(number)


def test_id_belongs_to_the_board_and_hides_its_number(tmp_path):
    system_files(tmp_path, serial=b"10000000abcd1234\x00", machine=b"0123456789abcdef0123456789abcdef\n")
    name = resolve_device_id(None, tmp_path, tmp_path)
    assert re.fullmatch(r"pi-[0-9a-f]{8}", name) and name[3:] not in "10000000abcd1234"
    (tmp_path / "etc/machine-id").write_text("f" * 32)  # a new installation
    assert resolve_device_id(None, tmp_path, tmp_path) == name
    assert resolve_device_id("porch", tmp_path, tmp_path) == "porch"


def test_machine_id_replaces_a_missing_serial(tmp_path):
    system_files(tmp_path, serial=b"0000000000000000\x00", machine=b"0123456789abcdef0123456789abcdef\n")
    first = resolve_device_id(None, tmp_path, tmp_path)
    (tmp_path / "etc/machine-id").write_text("f" * 32)
    assert resolve_device_id(None, tmp_path, tmp_path) != first


def test_random_number_is_kept_if_there_is_no_other(tmp_path):
    system_files(tmp_path, machine=b"uninitialized\n")
    first = resolve_device_id(None, tmp_path, tmp_path)
    assert re.fullmatch(r"pi-[0-9a-f]{8}", first) and resolve_device_id(None, tmp_path, tmp_path) == first


@pytest.mark.parametrize("is_folder", [False, True], ids=["missing folder", "folder in its place"])
def test_number_that_cannot_be_stored_lasts_until_the_next_boot(tmp_path, caplog, is_folder):
    system_files(tmp_path, machine=b"uninitialized\n", boot=b"boot-1\n")
    if is_folder:
        (tmp_path / "state/device-id").mkdir(parents=True)
    device = resolve_device_id(None, tmp_path / "state", tmp_path)
    assert device.startswith("pi-")
    assert resolve_device_id(None, tmp_path / "state", tmp_path) == device
    assert "set device.id" in caplog.text


def test_fifo_in_place_of_the_number_is_replaced(tmp_path):
    system_files(tmp_path, machine=b"uninitialized\n")
    os.mkfifo(tmp_path / "device-id")
    device = resolve_device_id(None, tmp_path, tmp_path)
    assert (tmp_path / "device-id").is_file()
    assert resolve_device_id(None, tmp_path, tmp_path) == device


def test_boot_id_is_the_kernels():
    assert boot_id() == boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_boot_id_without_the_kernels_stays_in_the_process(tmp_path):
    assert boot_id(tmp_path) == boot_id(tmp_path) != boot_id()
