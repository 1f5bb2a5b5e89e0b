"""Test the page on a machine with a real systemd: the installer's link, the sandbox, TLS, and turning it off."""

import re
import shutil

import pytest

from support.machine import put_clone, wheels

pytestmark = pytest.mark.slow

INSTALL = "scripts/install.sh --wheels /wheels"
CONNECT = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8080), 5)'"
SIGN_IN = """
import json, re, sys, urllib.request
link = sys.argv[1]
url, _, code = link.partition("/#")
request = urllib.request.Request(url + "/api/session", json.dumps({"code": code}).encode(),
                                 {"Origin": url, "Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
status = urllib.request.Request(url + "/api/status", headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})
print(json.load(urllib.request.urlopen(status))["device"]["id"])
print(json.load(urllib.request.urlopen(urllib.request.Request(url + "/api/device/check", headers={"Cookie": cookie}))))
"""


def test_installer_prints_a_link_that_signs_in(new_machine):
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels("web"), machine.root / "wheels")
    said = machine.run(f"{INSTALL} --web", timeout_s=600).stdout
    [link] = re.findall(r"^http://\S+/#\S+$", said, re.MULTILINE)[:1]
    machine.write("/srv/sign_in.py", SIGN_IN)
    local = re.sub(r"//[^/]+:", "//127.0.0.1:", link)
    answer = machine.run(f"python3 /srv/sign_in.py {local}").stdout
    assert answer.startswith("pi-") and "'part': 'camera'" in answer
    assert machine.run(f"python3 /srv/sign_in.py {local}", check=False).returncode == 1  # used

    exposure = machine.run("systemd-analyze security appliance --no-pager | tail -n 1").stdout
    assert float(re.search(r"([0-9.]+) [A-Z]", exposure)[1]) <= 2.0, exposure
    token = machine.run("appliance web --new-token dash").stdout.split()[-1]
    metrics = f"curl -sf -H 'Authorization: Bearer {token}' http://127.0.0.1:8080/metrics"
    fetch = metrics if machine.run("command -v curl", check=False).returncode == 0 else None
    if fetch:
        assert "appliance_up 1" in machine.run(fetch).stdout
    # An upgrade keeps the page, without an option.
    said = machine.run(INSTALL, timeout_s=600).stdout
    assert "Nothing to do" in said
    machine.run("appliance web")

    said = machine.run(f"{INSTALL} --web-tls", timeout_s=600).stdout
    assert re.search(r"^https://\S+/#\S+$", said, re.MULTILINE), said
    machine.run("appliance web --disable")
    refused = machine.run("sleep 3; appliance web", check=False)
    assert refused.returncode == 1 and "--enable" in refused.stdout
    assert machine.run(CONNECT, check=False).returncode == 1


def test_installation_without_a_terminal_opens_no_port(new_machine):
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels(), machine.root / "wheels")
    said = machine.run(INSTALL, timeout_s=600).stdout
    assert "/#" not in said
    assert machine.run(CONNECT, check=False).returncode == 1
