"""Which process uses a device: here the device is a file that a real process locks or opens."""

import subprocess
import sys

import pytest

from appliance.camera.device_holder import find_device_holder


@pytest.mark.parametrize("lock", [True, False])
def test_holder_of_a_device_is_found(tmp_path, lock):
    device = tmp_path / "media0"
    device.touch()
    code = "import fcntl, sys; device = open(sys.argv[1], 'r+')\n"
    code += "if sys.argv[2] == 'True': fcntl.lockf(device, fcntl.LOCK_EX)\nprint(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, device, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        holder = find_device_holder(str(tmp_path / "media*"))
        other.communicate(b"\n")
    assert holder is not None and holder.startswith("python") and holder.endswith(f"(process {other.pid})")
    assert find_device_holder(str(tmp_path / "media*")) is None


def test_missing_device_has_no_holder(tmp_path):
    assert find_device_holder(str(tmp_path / "media*")) is None
