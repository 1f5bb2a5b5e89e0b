"""Test a second camera on one machine: appliance@NAME beside appliance, with a real systemd and a real broker."""

import pytest

from support.broker import wait_until
from support.machine import Machine

pytestmark = pytest.mark.slow

GARDEN = "/etc/appliance/garden.toml"
OWN_ID = '[device]\nid = "garden"\n[camera]\nsource = "scene"\n'


def unit_property(machine: Machine, name: str) -> str:
    return machine.run(f"systemctl show -P {name} appliance@garden").stdout.strip()


def journal(machine: Machine) -> str:
    return machine.run("journalctl -u appliance@garden -o cat --no-pager").stdout


def test_second_camera_has_settings_state_and_topics_of_its_own(machine):
    machine.write(GARDEN, OWN_ID)
    machine.run("systemctl enable --now appliance@garden")
    assert "online" in machine.topic("appliance/garden/availability")
    assert "online" in machine.topic("appliance/t/availability")
    assert "garden" in machine.topic("appliance/garden/event") and '"device":"t"' in machine.topic("appliance/t/event")
    machine.run("test -S /run/appliance-garden/control.sock -a -e /var/lib/appliance-garden/outbox.sqlite3")
    said = machine.run(f"appliance check --config {GARDEN}").stdout
    assert f"runs as garden with {GARDEN}" in said
    assert "runs as t with" in machine.run("appliance check").stdout

    machine.run(f"echo '[labeler]\nthreshold = 0.9' >>{GARDEN}; systemctl reload appliance@garden")
    wait_until(lambda: "changed: labeler.threshold" in journal(machine), "the second service reloads its settings")
    assert "settings reloaded" not in machine.journal()


def test_second_daemon_without_its_own_id_is_refused(machine):
    machine.write(GARDEN, '[camera]\nsource = "scene"\n')
    machine.run("systemctl start appliance@garden", check=False)
    wait_until(lambda: unit_property(machine, "ActiveState") == "failed", "systemd gives up")
    assert unit_property(machine, "ExecMainStatus") == "78"
    assert "device.id is missing" in journal(machine) and 'id = "garden"' in journal(machine)
    assert "mqtt.client_id" not in journal(machine) and machine.property("ActiveState") == "active"

    machine.edit("/etc/appliance/appliance.toml", ('id = "t"', '#id = "t"'))
    machine.run("systemctl restart appliance")
    machine.wait_for_log("camera: streaming", 2)
    command = "APPLIANCE_STATE_DIR=/tmp/other APPLIANCE_CAMERA__SOURCE=scene appliance run"
    done = machine.run(f"timeout 20 env {command}", check=False)
    assert done.returncode == 78 and "another appliance on this machine" in done.stdout


def test_removal_stops_further_cameras(machine):
    machine.write(GARDEN, OWN_ID)
    machine.run("systemctl enable --now appliance@garden")
    machine.topic("appliance/garden/availability")
    machine.run("scripts/uninstall.sh --purge")
    assert unit_property(machine, "ActiveState") == "inactive"
    machine.run(
        "test ! -e /var/lib/appliance-garden -a ! -e /etc/appliance -a ! -e /etc/systemd/system/appliance@.service"
    )
    left = machine.run("mosquitto_sub -t 'appliance/garden/#' -t 'homeassistant/#' -W 2 -v", check=False).stdout
    assert left.strip() in ("", "Timed out")
