"""Test the Pi camera in the installed service: picamera2 from apt with a virtual camera, in the unit's sandbox.

Debian has no python3-picamera2, only Raspberry Pi's archive does. So the picamera2 of the virtual camera is packed as a
Debian package that depends on apt's numpy, and offered to the machine's apt. The rest is as on a Pi: the
installer finds it in apt, makes an environment that sees the system's packages, and leaves numpy to apt. One difference
remains: no camera device is opened (frames come from memory), so the sandbox test checks DeviceAllow instead.
"""

import shutil

import pytest

from support import virtual_camera as virtual
from support.broker import wait_until
from support.camera_package import install_camera_package
from support.machine import put_clone, wheels

pytestmark = pytest.mark.slow


def test_installed_service_labels_the_pi_camera(new_machine, tmp_path):
    if reason := virtual.missing_reason():
        pytest.skip(reason)
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels(), machine.root / "wheels")
    install_camera_package(machine, tmp_path)

    output = machine.run("scripts/install.sh --wheels /wheels").stdout
    assert "install from apt: python3-picamera2" in output and "which sees picamera2 and numpy from apt" in output
    wait_until(lambda: "camera: streaming" in machine.journal(), f"frames: {machine.journal()}", 60)
    assert "camera: streaming (Virtual Video Device" in machine.journal()
    assert "the daemon's newest frame is" in machine.run("appliance check").stdout
    # numpy comes from apt, not from the release.
    look = "import numpy; print(numpy.__file__, numpy.__version__)"
    numpy = machine.run(f"/opt/appliance/current/venv/bin/python -c '{look}'").stdout
    assert numpy.startswith("/usr/lib/python3/dist-packages/numpy/") and numpy.split()[1].startswith("1."), numpy
    assert "label" in machine.topic("appliance/+/labels")

    machine.run("kill -9 $(systemctl show -P MainPID appliance)")
    wait_until(lambda: machine.journal().count("camera: streaming") == 2, f"frames again: {machine.journal()}", 60)
