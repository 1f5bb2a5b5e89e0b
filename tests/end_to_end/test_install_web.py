"""Test the page on a machine with a real systemd: the installer's link, the sandbox, TLS, and turning it off.

The last test walks through the page as a person with a phone does: the question of the installer, the link or its QR
code, the live picture, the threshold, a camera that is pulled and plugged in again, yesterday's event, another model,
signing out; then the same from another machine without the token.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from appliance.history.database import HistoryDatabase
from appliance.history.pictures import PictureFolder
from appliance.history.records import EventRecord
from appliance.imaging.files import encode_jpeg
from support import machine_network
from support import virtual_camera as virtual
from support.browser import Browser, find_chromium
from support.bundles import bundle_folder, zipped
from support.camera_package import PULLED, install_camera_package
from support.machine import Machine, put_clone, wheels
from support.machine_network import MachineNetwork
from support.qr_code import read_qr_code

pytestmark = pytest.mark.slow

LINK = re.compile(r"https?://\S+/#")
INSTALL = "scripts/install.sh --wheels /wheels"
CONNECT = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8080), 5)'"
PHONE = (390, 844)
HISTORY = "var/lib/appliance/history"
YESTERDAY = "yesterday-1"
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
    assert not LINK.search(said)
    assert machine.run(CONNECT, check=False).returncode == 1


@pytest.fixture
def network_machine(new_machine, tmp_path) -> Iterator[tuple[Machine, MachineNetwork]]:
    """A machine in a network, with a camera, before the installation."""
    reason = virtual.missing_reason() or machine_network.missing()
    if reason or not find_chromium():
        pytest.skip(reason or "chromium and chromedriver are not installed (scripts/install-test-tools)")
    machine = new_machine()
    put_clone(machine)
    shutil.copytree(wheels("web"), machine.root / "wheels")
    (tmp_path / "package").mkdir()
    install_camera_package(machine, tmp_path / "package")
    network = MachineNetwork(machine.leader)
    yield machine, network
    network.close()


def install_on_a_terminal(machine: Machine, answer: str) -> str:
    """Run the installer on a terminal, and answer its question; return what the terminal shows."""
    command = f"printf '{answer}\\n' | TERM=xterm-256color script -qec '{INSTALL}' /dev/null"
    return machine.run(command, timeout_s=600).stdout


def add_yesterdays_event(machine: Machine) -> None:
    """Write an event of yesterday into the history of the running service, as it did then."""
    started_s = time.time() - 86_400
    jpeg = encode_jpeg(np.full((360, 640, 3), 90, np.uint8))
    with closing(HistoryDatabase(machine.root / HISTORY / "history.sqlite3")) as database:
        model = {"name": "flowers", "version": "0.2.0"}
        scores = [("heron", 0.9), ("cat", 0.05)]
        database.add(EventRecord(YESTERDAY, "heron", 0.9, 0.93, started_s, started_s + 8, 8.0, None, model, scores,
                                 len(jpeg)))  # fmt: skip
    PictureFolder(machine.root / HISTORY / "pictures").write(YESTERDAY, jpeg)
    machine.run(f"chown -R appliance: /{HISTORY}")


def drag_threshold(page: Browser, start: float, end: float) -> None:
    """Drag the line with a finger's or a mouse's pointer."""
    page.run("document.querySelector('.threshold-area').scrollIntoView({block: 'center'})")
    x, y, width = page.run(
        "const area = document.querySelector('.threshold-area').getBoundingClientRect();"
        "return [area.x, area.y, area.width]"
    )
    steps = [("mousePressed", start), ("mouseMoved", (start + end) / 2), ("mouseMoved", end), ("mouseReleased", end)]
    for kind, at in steps:
        page.send_command("Input.dispatchMouseEvent", type=kind, x=x + at * width, y=y + 20, button="left", buttons=1,
                          clickCount=1)  # fmt: skip


def see_the_picture_and_drag_the_threshold(page: Browser, machine: Machine) -> None:
    page.wait("document.querySelector('.live-picture img')?.naturalWidth > 0", 20)
    page.wait("document.querySelectorAll('.bars .score').length >= 2", 20)
    page.wait("document.querySelector('.state').innerText.startsWith('live')", 20)
    value = float(page.run("return document.querySelector('.threshold-handle').getAttribute('aria-valuenow')"))
    drag_threshold(page, value, 0.85)
    page.wait("document.querySelector('.threshold-note').innerText.includes('set here or over MQTT')")
    shown = float(page.run("return document.querySelector('.threshold-handle').getAttribute('aria-valuenow')"))
    assert shown == pytest.approx(0.85, abs=0.02)
    assert float(machine.topic("appliance/+/threshold")) == shown


def pull_the_camera_and_plug_it_in_again(page: Browser, machine: Machine) -> None:
    machine.write(PULLED, "")
    page.wait("document.querySelector('.live-picture .message')?.innerText.includes('check its cable')", 60)
    page.wait("document.querySelector('.state').innerText === 'no frames'")
    page.wait("document.querySelector('.label-now').innerText === 'unknown'", 60)
    (machine.root / PULLED.lstrip("/")).unlink()
    page.wait("document.querySelector('.state').innerText.startsWith('live')", 90)
    page.wait("!document.querySelector('.live-picture.dimmed')")


def find_yesterdays_event(page: Browser) -> None:
    page.click("#nav [data-place=events]")
    page.wait("document.querySelector('input[type=date]')")
    day = "new Date(Date.now() - 86400000).toLocaleDateString('sv')"
    page.run(f"const field = document.querySelector('input[type=date]'); field.value = {day};"
             "field.dispatchEvent(new Event('change'))")  # fmt: skip
    page.wait("document.querySelector('h2.day')?.innerText === 'Yesterday'", 20)
    page.click(f"[data-id={YESTERDAY}]")
    page.wait("document.querySelector('.event-detail .picture img')?.naturalWidth === 640")
    assert "heron" in page.read(".event-detail h1") and "Yesterday" in page.read(".event-detail .facts")


def upload_a_model(page: Browser, machine: Machine, file: Path) -> None:
    page.run("location.hash = '#/model'")
    page.wait("document.querySelector('#model-file')", 20)
    page.press("#model-file", str(file))
    page.wait("document.querySelector('.model-view .card h2')?.innerText === 'garden 3.1'", 60)
    page.run("location.hash = '#/now'")
    page.wait("document.querySelector('.bars')?.innerText.includes('red')", 20)
    assert "garden" in machine.run("appliance model list").stdout


def test_phone_opens_the_printed_link_and_a_stranger_gets_nothing(network_machine, tmp_path):
    machine, network = network_machine
    shown = install_on_a_terminal(machine, "y")
    assert "Open a page in your network" in shown
    [link] = re.findall(rf"http://{network.address}:8080/#[\w-]+", shown)
    assert read_qr_code(shown) == link
    address, _, code = link.partition("#")
    add_yesterdays_event(machine)

    with closing(Browser(tmp_path / "phone")) as page:
        page.visit(link, *PHONE)
        page.wait("document.querySelector('now-view')", 30)
        assert page.run("return location.href") == address
        see_the_picture_and_drag_the_threshold(page, machine)
        pull_the_camera_and_plug_it_in_again(page, machine)
        find_yesterdays_event(page)
        upload_a_model(page, machine, make_bundle(tmp_path))
        assert [error for error in page.read_errors() if "status of 404" not in error] == []
        page.click("#nav [data-place=device]")
        page.click("#sign-out")
        page.wait("document.querySelector('sign-in')", 20)
        page.visit("about:blank")
        page.visit(f"{address}#/events", *PHONE)
        page.wait("document.querySelector('sign-in')", 20)
    check_strangers(network, tmp_path, code)


def make_bundle(folder: Path) -> Path:
    file = folder / "garden.zip"
    file.write_bytes(zipped(bundle_folder(folder / "garden", name="garden", version="3.1")))
    return file


def check_strangers(network: MachineNetwork, folder: Path, used_code: str) -> None:
    """Try the same from another machine without the token, and from a public address."""
    stranger, address = network.add_host()
    page = f"http://{address}:8080"
    for path in ("/api/status", "/api/labels", "/api/stream.mjpg", "/api/frame.jpg", "/api/events",
                 f"/api/events/{YESTERDAY}.jpg", "/api/model", "/metrics", "/api/device/log"):  # fmt: skip
        status, text = stranger.request("GET", page + path)
        assert status == 401 and "sudo appliance web" in text and "heron" not in text, path
    origin = {"Origin": page, "Content-Type": "application/json"}
    assert stranger.request("PUT", f"{page}/api/threshold", origin, '{"value": 0}')[0] == 401
    assert stranger.request("POST", f"{page}/api/session", origin, f'{{"code": "{used_code}"}}')[0] == 401
    assert stranger.request("GET", f"{page}/", {"Host": "evil.example"})[0] == 421
    assert stranger.request("GET", f"{page}/healthz")[0] == 204
    with closing(Browser(folder / "stranger", stranger.wrap("chromium", folder))) as browser:
        browser.visit(f"{page}/#/events", *PHONE)
        browser.wait("document.querySelector('sign-in')", 20)
        assert "heron" not in browser.read("body") and browser.run("return document.querySelector('#nav').hidden")
    outside, address = network.add_host("203.0.113")
    assert outside.request("GET", f"http://{address}:8080/healthz")[0] == 0


def test_answer_no_opens_no_port_and_is_not_asked_again(network_machine):
    machine, _ = network_machine
    shown = install_on_a_terminal(machine, "n")
    assert "Open a page in your network" in shown and not LINK.search(shown)
    assert machine.run(CONNECT, check=False).returncode == 1
    assert "Open a page" not in install_on_a_terminal(machine, "y")
    assert machine.run(CONNECT, check=False).returncode == 1
