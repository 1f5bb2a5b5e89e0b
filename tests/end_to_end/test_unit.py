"""Test the unit file with systemd's own tools, without booting a machine."""

import re
import shutil
import subprocess

import pytest

from support.daemon import ROOT

UNIT = ROOT / "systemd/appliance.service"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def test_systemd_accepts_the_unit(tmp_path):
    # The command exists only on a device, so another one replaces it here.
    unit = tmp_path / "appliance.service"
    unit.write_text(UNIT.read_text().replace("/opt/appliance/current/bin/appliance", "/bin/true"))
    # Without --man=no, a system without man pages rejects Documentation=.
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_exposure_is_small():
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"exposure level for appliance.service: ([\d.]+)", done.stdout)[1]) <= 2.0


def test_unit_hides_no_processor_from_the_runtime():
    assert not re.search(r"^ProcSubset=", UNIT.read_text(), re.MULTILINE)
