"""Test the Pi camera in the installed service: picamera2 from apt with a virtual camera, in the unit's sandbox.

Debian has no python3-picamera2, only Raspberry Pi's archive does. So the picamera2 of the virtual camera is packed as a
Debian package that depends on apt's numpy, and offered to the machine's apt. The rest is as on a Pi: the
installer finds it in apt, makes an environment that sees the system's packages, and leaves numpy to apt. One difference
remains: no camera device is opened (frames come from memory), so the sandbox test checks DeviceAllow instead.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from support import virtual_camera as virtual
from support.broker import wait_until
from support.machine import put_clone, wheels

pytestmark = pytest.mark.slow

CONTROL = """Package: python3-picamera2
Version: 0.3.38-1
Architecture: amd64
Maintainer: Test <test@localhost>
Depends: python3, python3-numpy
Description: picamera2 and libcamera's virtual camera, packed for a test
"""
PARTS = [
    "picamera2",
    "prctl.py",
    "_prctl.*.so",
    "simplejpeg",
    "piexif",
    "pidng",
    "videodev2",
    "libarchive",
    "jsonschema",
    "jsonschema_specifications",
    "referencing",
    "rpds",
    "attr",
    "attrs",
    "ljpegCompress.*.so",
    "OpenEXR.*.so",
    "Imath.py",
]
DROP_IN = "[Service]\nEnvironment=LD_PRELOAD=/opt/lc/dma_heap_memfd.so\n"


def pack_repository(folder: Path) -> Path:
    """Return an apt repository that contains the package."""
    tree, repository = folder / "tree", folder / "repository"
    packages = tree / "usr/lib/python3/dist-packages"
    packages.mkdir(parents=True)
    repository.mkdir()
    site = virtual.PYTHON.parent.parent / "lib/python3.11/site-packages"
    for source in [found for part in PARTS for found in site.glob(part)] + [
        Path("/opt/lc/lib/python3/dist-packages/libcamera"), Path("/opt/lc/stubs/kms.py"),
    ]:  # fmt: skip
        if source.is_dir():
            shutil.copytree(source, packages / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, packages)
    shutil.copytree("/opt/lc", tree / "opt/lc", ignore=shutil.ignore_patterns("include", "bin", "python3", "stubs"))
    (tree / "opt/lc/share/libcamera/pipeline/virtual/virtual.yaml").write_text(
        '"Virtual0":\n  supported_formats:\n  - width: 1920\n    height: 1080\n    frame_rates: [1, 60]\n'
        '  test_pattern: "bars"\n'
        '  location: "CameraLocationFront"\n  model: "Virtual Video Device"\n'
    )
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL)
    postinst = tree / "DEBIAN/postinst"
    postinst.write_text("#!/bin/sh\necho /opt/lc/lib64 >/etc/ld.so.conf.d/lc.conf\nldconfig\n")
    postinst.chmod(0o755)
    package = repository / "python3-picamera2.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, package], check=True, capture_output=True
    )
    data = package.read_bytes()
    entry = f"{CONTROL}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (repository / "Packages").write_text(entry)
    shutil.rmtree(tree)
    return repository


def test_installed_service_labels_the_pi_camera(new_machine, tmp_path):
    if reason := virtual.missing_reason():
        pytest.skip(reason)
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels(), machine.root / "wheels")
    shutil.copytree(pack_repository(tmp_path), machine.root / "srv/apt")
    machine.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/apt ./\n")
    machine.run("rm -f /etc/apt/sources.list.d/*; apt-get update -qq")
    machine.write("/etc/systemd/system/appliance.service.d/camera.conf", DROP_IN)

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
