"""picamera2 with the virtual camera, as a package for the apt of a booted machine; Debian has none.

The package depends on apt's numpy, as the real one does. The camera's frames stop while PULLED exists in the machine.
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from support import virtual_camera as virtual
from support.machine import Machine

PULLED = "/srv/pulled"
_CONTROL = """Package: python3-picamera2
Version: 0.3.38-1
Architecture: amd64
Maintainer: Test <test@localhost>
Depends: python3, python3-numpy
Description: picamera2 and libcamera's virtual camera, packed for a test
"""
_PARTS = [
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
_DROP_IN = f"[Service]\nEnvironment=LD_PRELOAD=/opt/lc/dma_heap_memfd.so LIBCAMERA_VIRTUAL_STALL_FILE={PULLED}\n"


def install_camera_package(machine: Machine, folder: Path) -> None:
    """Offer picamera2 to the machine's apt, and give the service the virtual camera's library.

    Args:
        machine: The machine, before the installation.
        folder: A folder for the package while it is made.
    """
    shutil.copytree(_pack_repository(folder), machine.root / "srv/apt")
    machine.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/apt ./\n")
    machine.run("rm -f /etc/apt/sources.list.d/*; apt-get update -qq")
    machine.write("/etc/systemd/system/appliance.service.d/camera.conf", _DROP_IN)


def _pack_repository(folder: Path) -> Path:
    """Return an apt repository that contains the package."""
    tree, repository = folder / "tree", folder / "repository"
    packages = tree / "usr/lib/python3/dist-packages"
    packages.mkdir(parents=True)
    repository.mkdir()
    site = virtual.PYTHON.parent.parent / "lib/python3.11/site-packages"
    for source in [found for part in _PARTS for found in site.glob(part)] + [
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
    (tree / "DEBIAN/control").write_text(_CONTROL)
    postinst = tree / "DEBIAN/postinst"
    postinst.write_text("#!/bin/sh\necho /opt/lc/lib64 >/etc/ld.so.conf.d/lc.conf\nldconfig\n")
    postinst.chmod(0o755)
    package = repository / "python3-picamera2.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, package], check=True, capture_output=True
    )
    data = package.read_bytes()
    entry = f"{_CONTROL}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (repository / "Packages").write_text(entry)
    shutil.rmtree(tree)
    return repository
