"""The unit file, read by systemd's own tools; no machine is booted."""

import re
import shutil
import subprocess

import pytest

from support.daemon import ROOT

UNIT = ROOT / "systemd/appliance.service"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def test_systemd_reads_it_without_a_word(tmp_path):
    # The command is there on a device; here something else stands in for it.
    unit = tmp_path / "appliance.service"
    unit.write_text(UNIT.read_text().replace("/opt/appliance/current/bin/appliance", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_its_exposure_is_small():
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"exposure level for appliance.service: ([\d.]+)", done.stdout)[1]) <= 2.0


def test_it_hides_no_processor_from_the_runtime():
    assert not re.search(r"^ProcSubset=", UNIT.read_text(), re.MULTILINE)
