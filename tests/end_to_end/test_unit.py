"""Test the unit file with systemd's own tools, without booting a machine."""

import re
import shutil
import subprocess

import pytest

from support.daemon import ROOT

UNIT = ROOT / "systemd/appliance.service"
TEMPLATE = ROOT / "systemd/appliance@.service"

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.mark.parametrize("source", [UNIT, TEMPLATE])
def test_systemd_accepts_the_unit(tmp_path, source):
    # The command exists only on a device, so another one replaces it here.
    unit = tmp_path / source.name.replace("@", "@garden")
    unit.write_text(source.read_text().replace("/opt/appliance/current/bin/appliance", "/bin/true"))
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


def test_template_differs_from_the_unit_only_in_paths_and_settings():
    def directives(text):
        return [line for line in text.splitlines() if "=" in line and not line.startswith("#")]

    expected = UNIT.read_text()
    for old, new in (
        ("Description=Camera appliance:", "Description=Camera appliance %i:"),
        ("appliance run ", "appliance run --config /etc/appliance/%i.toml "),
        ("Directory=appliance\n", "Directory=appliance-%i\n"),
        ("=/var/lib/appliance\n", "=/var/lib/appliance-%i\n"),
    ):
        assert old in expected
        expected = expected.replace(old, new)
    assert directives(TEMPLATE.read_text()) == directives(expected)
