"""Test the installer on machines with a real systemd: install, repeat, upgrade, fail, remove."""

import re
import shutil

import pytest

from support.broker import wait_until
from support.machine import BASE, CLONE, Machine, put_clone

pytestmark = pytest.mark.slow

INSTALL = "scripts/install.sh --wheels /wheels"
CONFIG = "/etc/appliance/appliance.toml"
UNIT = "/etc/systemd/system/appliance.service"
PACKAGE = f"{CLONE}/appliance"


def releases(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.root / "opt/appliance/releases").iterdir())


def current(machine: Machine) -> str:
    return machine.run("basename $(readlink /opt/appliance/current)").stdout.strip()


def labeling_version(machine: Machine) -> str:
    """Return the version of the daemon that labels frames now."""
    assert "roses" in machine.topic("appliance/t/state") or machine.topic("appliance/t/labels")
    return re.search(r"version (\S+) runs as t", machine.run("appliance check").stdout)[1]


def make_version(machine: Machine, version: str, *changes: tuple[str, str]) -> None:
    """Make the clone a newer version; `changes` are (file in the package, text to append)."""
    text = machine.read(f"{PACKAGE}/__init__.py")
    machine.write(f"{PACKAGE}/__init__.py", re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', text))
    for file, more in changes:
        machine.write(f"{PACKAGE}/{file}", machine.read(f"{PACKAGE}/{file}") + more)


def test_second_installation_changes_nothing(installed_layer, machine):
    first = (installed_layer / "first.txt").read_text()
    for step in (
        "create the account appliance",
        "install the packages",
        "start the service",
        "ready after",
        "appliance check",
    ):
        assert step in first
    assert "!!" not in first and "ok      model" in first
    device = re.search(r"runs as (pi-\w+)", first)[1]
    assert f"mosquitto_sub -h localhost -v -t 'appliance/{device}/#'" in first.splitlines()[-1]
    assert "apt has no python3-picamera2" in first
    machine.run("systemctl is-active appliance; systemctl is-enabled appliance; appliance --version")
    assert labeling_version(machine) == "0.1.0"
    modes = machine.run(f"stat -c '%a %U' /etc/appliance/credentials {CONFIG} /var/lib/appliance").stdout
    assert modes.splitlines() == ["700 root", "644 root", "750 appliance"]
    assert "appliance : appliance video" in machine.run("groups appliance").stdout

    files = "find /opt/appliance /etc /usr/local -printf '%p %T@ %i\\n' | sort"
    before = machine.property("MainPID"), machine.run(files).stdout
    again = machine.run(INSTALL).stdout
    assert [line for line in again.splitlines() if line.startswith(("->", "!!"))] == ["-> appliance check"]
    assert "Nothing to do" in again
    assert before == (machine.property("MainPID"), machine.run(files).stdout)


def test_upgrade_keeps_settings_and_two_releases(machine):
    old = current(machine)
    machine.edit(CONFIG, ("threshold = 0.5", "threshold = 0.55"), ("#threshold", "threshold"))
    settings = machine.read(CONFIG)
    machine.write("/root/root.json", '{"signed": {"_type": "root", "keys": {"a": {}}}, "signatures": []}')
    make_version(machine, "0.2.0")
    dry = machine.run(f"{INSTALL} --root /root/root.json --dry-run").stdout
    assert f"instead of {old}" in dry and "would trust" in dry and "->" not in dry and current(machine) == old

    said = machine.run(f"{INSTALL} --root /root/root.json").stdout
    assert "labels frames" in said and f"{CONFIG} is kept" in said
    assert machine.read(CONFIG) == settings and machine.read("/etc/appliance/root.json") == machine.read(
        "/root/root.json"
    )
    assert labeling_version(machine) == "0.2.0" and machine.topic("appliance/t/threshold") == "0.55\n"

    second = current(machine)
    make_version(machine, "0.3.0")
    assert f"remove the old release {old}" in machine.run(INSTALL).stdout
    assert releases(machine) == sorted([second, current(machine)]) and labeling_version(machine) == "0.3.0"


def test_release_that_does_not_start_is_reverted(machine):
    labeling_version(machine)
    old, unit = current(machine), machine.read(UNIT)
    make_version(machine, "0.2.0", ("daemon/service.py", "\nraise RuntimeError('this release is broken')\n"))
    machine.edit(f"{CLONE}/systemd/appliance.service", ("RestartSec=5", "RestartSec=1\n# a changed unit"))
    failed = machine.run(INSTALL, check=False)
    assert failed.returncode == 1
    assert "is not ready after" in failed.stdout and "this release is broken" in failed.stdout
    assert f"was taken back and its files were removed; {old} runs again" in failed.stdout
    assert releases(machine) == [old]
    assert current(machine) == old and machine.read(UNIT) == unit and labeling_version(machine) == "0.1.0"


def test_release_that_labels_nothing_is_reverted(machine):
    labeling_version(machine)
    old = current(machine)
    make_version(machine, "0.2.0", ("camera/capture.py", "\nFrameSlot.put = lambda self, frame: None\n"))
    failed = machine.run(f"{INSTALL} --wait 8", check=False)
    assert failed.returncode == 1 and f"labels no frame within 8 s, and {old} did" in failed.stdout
    assert current(machine) == old and labeling_version(machine) == "0.1.0"


@pytest.mark.parametrize(("signal", "status"), [("INT", 130), ("TERM", 143), ("HUP", 143)])
def test_interrupted_installer_returns_to_the_old_release(machine, signal, status):
    labeling_version(machine)
    old, unit = current(machine), machine.read(UNIT)
    make_version(machine, "0.2.0", ("camera/capture.py", "\nFrameSlot.put = lambda self, frame: None\n"))
    machine.edit(f"{CLONE}/systemd/appliance.service", ("RestartSec=5", "RestartSec=6"))
    # A shell's background processes ignore SIGINT; those of Python do not.
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"p = subprocess.Popen('{INSTALL}'.split(), stdout=open('/tmp/said', 'w'), stderr=subprocess.STDOUT)\n"
        "while 'ready after' not in open('/tmp/said').read(): time.sleep(0.1)\n"
        f"p.send_signal(signal.SIG{signal})\n"
        "sys.exit(p.wait())\n"
    )
    machine.write("/srv/interrupt.py", code)
    assert machine.run("python3 /srv/interrupt.py", check=False).returncode == status
    said = machine.run("cat /tmp/said").stdout
    assert "interrupted before" in said and f"{old} runs again" in said
    assert current(machine) == old and machine.read(UNIT) == unit and releases(machine) == [old]
    assert labeling_version(machine) == "0.1.0"
    machine.run("test ! -e /opt/appliance/upgrading")


def test_interrupted_upgrade_is_finished_by_the_next_run(machine):
    old = current(machine)
    make_version(machine, "0.2.0", ("camera/capture.py", "\nFrameSlot.put = lambda self, frame: None\n"))
    # Kill it while it waits for the first frame of the new release, the last moment at which a power cut matters.
    machine.run(
        f"setsid {INSTALL} >/tmp/said 2>&1 & until grep -q 'ready after' /tmp/said; do sleep .1; done; kill -9 $!"
    )
    half = current(machine)
    assert half != old
    machine.run(f"rm /opt/appliance/releases/{half}/.complete")
    said = machine.run(f"{INSTALL} --wait 8", check=False).stdout
    assert f"an earlier upgrade was interrupted; the release before it was {old}" in said
    assert "remove the incomplete release" in said
    assert f"{old} runs again" in said and current(machine) == old and labeling_version(machine) == "0.1.0"


def test_removal_keeps_settings_and_purge_nothing(machine):
    assert "would remove /opt/appliance" in machine.run("scripts/uninstall.sh --dry-run").stdout
    said = machine.run("scripts/uninstall.sh").stdout
    assert "kept: /etc/appliance, /var/lib/appliance" in said
    for gone in ("/opt/appliance", UNIT, UNIT.replace("appliance.", "appliance@."), "/usr/local/bin/appliance"):
        assert machine.run(f"test ! -e {gone} -a ! -L {gone}")
    machine.run(f"test -e {CONFIG} -a -e /var/lib/appliance/outbox.sqlite3")
    assert "offline" in machine.topic("appliance/t/availability")
    machine.run("! systemctl cat appliance 2>/dev/null")
    machine.run("config/mosquitto/set-up-broker localhost")
    assert "--undo --purge" in machine.run("scripts/uninstall.sh --purge --dry-run").stdout
    assert "kept: the broker's" in machine.run("scripts/uninstall.sh --purge --dry-run --keep-broker").stdout
    machine.run("scripts/uninstall.sh --purge")
    machine.run("test ! -e /etc/mosquitto/appliance -a ! -e /etc/mosquitto/conf.d/appliance.conf")
    machine.run("systemctl is-active mosquitto && mosquitto_pub -t x -m x")
    machine.run(
        "test ! -e /etc/appliance -a ! -e /var/lib/appliance; ! getent passwd appliance; ! getent group appliance"
    )
    assert "there is no /opt/appliance" in machine.run("scripts/uninstall.sh --purge").stdout


FAKE_PYTHON = """#!/bin/sh
case "$*" in
  *version_info*) echo {version} ;;
  *calcsize*) echo {bits} ;;
  *) exec /usr/bin/python3.11 "$@" ;;
esac
"""


def test_unsuitable_system_is_refused_with_a_remedy(new_machine):
    machine = new_machine()
    put_clone(machine)
    machine.run("rm -rf /usr/bin/python3.real; mv /usr/bin/python3 /usr/bin/python3.real")

    def refused(command: str = "scripts/install.sh", *, version: str = "3.11", bits: int = 64, before: str = "") -> str:
        machine.write("/usr/bin/python3", FAKE_PYTHON.format(version=version, bits=bits), 0o755)
        done = machine.run(f"{before}\n{command}", check=False)
        assert done.returncode == 1, done.stdout
        machine.run("test ! -e /opt/appliance")
        return done.stdout.strip().splitlines()[-1]

    machine.run(f"chmod 755 /root && chmod -R a+rX {CLONE}")
    assert "this needs root; run: sudo" in refused("setpriv --reuid 65534 --clear-groups scripts/install.sh")
    assert "Python 3.9 is too old" in refused(version="3.9")
    assert "Python 3.14 is newer than" in refused(version="3.14")
    assert "32-bit system under a 64-bit kernel" in refused(bits=32)
    assert "is there a network?" in refused()
    assert "was not made by scripts/wheels" in refused("scripts/install.sh --wheels /tmp")
    assert "made for py313" in refused("scripts/install.sh --wheels /w", before="mkdir -p /w; echo py313 >/w/lock")
    assert "MB are free for /opt/appliance" in refused(
        "scripts/install.sh --wheels /w", before="echo py311 >/w/lock; mount -t tmpfs -o size=100M none /opt"
    )
    machine.run("umount /opt")
    assert "not the root.json of an update repository" in refused(f"scripts/install.sh --root {CLONE}/pyproject.toml")
    machine.run("rm /usr/bin/python3; mv /usr/bin/python3.real /usr/bin/python3")


def test_purge_clears_the_topics_of_the_device(machine):
    labeling_version(machine)
    assert "online" in machine.topic("appliance/t/availability")
    said = machine.run("scripts/uninstall.sh --purge").stdout
    assert re.search(r"cleared \d+ topics on the broker", said), said
    assert said.count("clear the topics of") == 1, said
    left = machine.run("mosquitto_sub -t 'appliance/#' -t 'homeassistant/#' -W 2 -v", check=False).stdout
    assert left.strip() in ("", "Timed out")


def test_dry_run_needs_no_python(new_machine):
    machine = new_machine()
    put_clone(machine)
    machine.run(
        "mv /usr/bin/python3 /usr/bin/python3.away; dpkg --remove --force-all python3 python3-venv 2>/dev/null; true"
    )
    before = machine.run("find /opt /etc /usr/local -printf '%p %T@\\n' | sort").stdout
    said = machine.run("scripts/install.sh --dry-run --wheels /nowhere || scripts/install.sh --dry-run").stdout
    assert "would install from apt: python3" in said and "would create the virtual environment" in said
    assert "Nothing was changed." in said
    assert machine.run("find /opt /etc /usr/local -printf '%p %T@\\n' | sort").stdout == before


def test_image_is_made_without_a_running_systemd(new_machine, installed_layer):
    machine = new_machine(boot=False)
    put_clone(machine)
    refused = machine.run_unbooted("scripts/install.sh")
    assert refused.returncode == 1 and "systemd is not running" in refused.stdout and "--no-start" in refused.stdout

    shutil.copytree(installed_layer / "wheels", machine.root / "wheels")
    made = machine.run_unbooted(f"{INSTALL} --no-start")
    assert made.returncode == 0 and "starts with the system" in made.stdout, made.stdout
    # A release that never ran must not count as one to return to.
    assert machine.run_unbooted("ls /opt/appliance/releases/*/.proven").returncode != 0
    machine.edit(CONFIG, ('source = "auto"', 'source = "scene"'))
    machine.boot()
    machine.wait_for_log("camera: streaming")


@pytest.mark.parametrize(
    ("setting", "section", "protection"),
    [
        ('model = "/home/pi/model"', "labeler", "ProtectHome"),
        ('source = "/root/pictures"', "camera", "ProtectHome"),
        ('ca_file = "/home/pi/ca.crt"', "mqtt", "ProtectHome"),
        ('model = "/tmp/model.zip"', "labeler", "PrivateTmp"),
        ('enabled = true\ndir = "/srv/frames"', "collect", "ProtectSystem"),
    ],
)
def test_path_that_the_unit_hides_stops_the_service(machine, setting, section, protection):
    machine.run(
        "mkdir -p /home/pi/model /root/pictures /srv/frames; touch /home/pi/ca.crt /tmp/model.zip; "
        "chmod -R a+rwX /home/pi"
    )
    machine.write(CONFIG, f"[{section}]\n{setting}\n")
    machine.run("systemctl restart appliance", check=False)
    wait_until(lambda: machine.property("ActiveState") == "failed", "systemd gives up on wrong settings")
    status = machine.property("ExecMainStatus"), machine.property("NRestarts")
    assert status == ("78", "0"), machine.run("journalctl -u appliance -o short-precise --no-pager -n 80").stdout
    assert re.search(rf"{section}\.\w+: the service cannot use /.*{protection}.*/var/lib/appliance", machine.journal())
    assert "Traceback" not in machine.journal()


def test_settings_of_a_newer_version_stop_the_service(machine):
    machine.edit(CONFIG, ("[camera]\n", "[camera]\nhdr_bracket = 3\n"))
    machine.run("systemctl restart appliance", check=False)
    wait_until(lambda: machine.property("ActiveState") == "failed", "systemd gives up on wrong settings")
    assert machine.property("ExecMainStatus") == "78"
    assert re.search(
        r"appliance.toml, line \d+: there is no setting camera.hdr_bracket.*may be for a newer", machine.journal()
    )


def test_base_of_the_machines_is_unchanged():
    """All machines are layers on the base, and none may have written to it."""
    assert not (BASE / "opt/appliance").exists() and not (BASE / "root/camera-appliance").exists()
