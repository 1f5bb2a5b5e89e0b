"""Test the installer's extras on a machine with a real systemd: training on the device, and the older runtime."""

import shutil

import pytest

from support.machine import CLONE, put_clone, wheels

pytestmark = pytest.mark.slow

INSTALL = "scripts/install.sh --wheels /wheels"
PICTURES = """
from pathlib import Path
import numpy as np
from appliance.camera.scene.camera import draw_scene
from appliance.imaging.files import encode_jpeg

for label in ("roses", "tulips"):
    folder = Path("/tmp/pictures", label)
    folder.mkdir(parents=True)
    for index in range(30):
        (folder / f"{index}.jpg").write_bytes(encode_jpeg(draw_scene(label, np.random.default_rng(index))))
"""


def test_extras_are_installed_named_and_kept(new_machine):
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels("workshop", "tflite-runtime"), machine.root / "wheels")
    machine.run(INSTALL)
    machine.write("/srv/pictures.py", PICTURES)
    machine.run("/opt/appliance/current/venv/bin/python -I /srv/pictures.py")
    base = machine.run(
        "echo /opt/appliance/current/venv/lib/python3*/site-packages/appliance/bundled/flowers"
    ).stdout.strip()
    train = f"appliance train /tmp/pictures --base {base} --out /tmp/own"
    refused = machine.run(train, check=False)
    assert refused.returncode == 1 and "sudo scripts/install.sh --with workshop" in refused.stdout, refused.stdout
    machine.edit("/etc/appliance/appliance.toml", ('source = "auto"', 'source = "scene"'))
    machine.run("sed -i 's/^#\\?runtime = .*/runtime = \"tflite-runtime\"/' /etc/appliance/appliance.toml")
    failed = machine.run("systemctl restart appliance; sleep 3; journalctl -u appliance -o cat --no-pager").stdout
    assert "sudo scripts/install.sh --with tflite-runtime" in failed

    assert "there is no extra torch" in machine.run(f"{INSTALL} --with torch", check=False).stdout
    said = machine.run(f"{INSTALL} --with workshop --with tflite-runtime", timeout_s=600).stdout
    assert "ready after" in said and "on tflite-runtime 2.14" in said, said
    machine.run(train, timeout_s=600)
    machine.run("appliance label /tmp/pictures/roses/*.jpg --model /tmp/own")
    # The next upgrade needs no option to keep them.
    machine.write(f"{CLONE}/appliance/new_module.py", '"""A change."""\n')
    assert "on tflite-runtime 2.14" in machine.run(INSTALL, timeout_s=600).stdout
    machine.run("/opt/appliance/current/venv/bin/python -c 'import sklearn, tflite_runtime'")
    said = machine.run(f"{INSTALL} --without workshop --without tflite-runtime", check=False, timeout_s=600).stdout
    assert "install.sh --with tflite-runtime" in said  # the setting still asks for it, so the upgrade is taken back
