"""Which daemons on one machine may use the default device id."""

import os
import socket
import subprocess
import sys

import pytest

from appliance.daemon.device_claim import claim_device_id, find_instance
from appliance.errors import SettingsError
from appliance.settings.load import load_settings
from support.broker import free_port

INSTANCE = {"NOTIFY_SOCKET": "/run/n", "RUNTIME_DIRECTORY": "/run/appliance-garden"}


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    port = free_port()

    def load(more="", port=port):
        file = tmp_path / "appliance.toml"
        file.write_text(f"[mqtt]\nport = {port}\n{more}")
        return load_settings(file, {})

    return load


def test_second_daemon_with_the_default_id_is_refused(load):
    first = claim_device_id(load(), {})
    with pytest.raises(SettingsError, match=r"device\.id is missing.*id of its own") as raised:
        claim_device_id(load(), {})
    assert str(os.getpid()) in str(raised.value) and "mqtt.client_id" not in str(raised.value)
    assert claim_device_id(load('[device]\nid = "own"\n'), {}) is None
    with claim_device_id(load(port=free_port()), {}):  # another broker
        pass
    first.close()
    claim_device_id(load(), {}).close()


def test_daemon_of_a_further_camera_needs_its_own_id(load):
    assert find_instance(INSTANCE) == "garden" and find_instance({}) is None
    assert find_instance({**INSTANCE, "RUNTIME_DIRECTORY": "/run/appliance"}) is None
    with pytest.raises(SettingsError, match=r'device\.id is missing.*id = "garden"'):
        claim_device_id(load(), INSTANCE)
    assert claim_device_id(load('[device]\nid = "garden"\n'), INSTANCE) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
def test_other_accounts_cannot_keep_the_service_from_starting(load):
    first = claim_device_id(load(), {})
    name = first.getsockname()
    first.close()
    code = (
        "import os, socket, sys; os.setuid(65533); s = socket.socket(socket.AF_UNIX); "
        "s.bind(bytes.fromhex(sys.argv[1])); s.listen(); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, name.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"ready\n"
        assert claim_device_id(load(), {}) is None
        other.stdin.close()


def test_a_holder_that_ends_gives_the_id_free(load):
    claim_device_id(load(), {}).close()
    with claim_device_id(load(), {}) as claim:
        assert claim.family == socket.AF_UNIX
