"""A real Home Assistant, in the root that scripts/lib/home-assistant.sh makes, with its REST and WebSocket API.

It runs with the network of this machine, on a free port of 127.0.0.1, and connects to a broker of the test.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from support.broker import Broker, free_port, wait_until
from support.machine import CACHE

ROOT_FOLDER = CACHE / "home-assistant"
_CLIENT = "http://localhost/"
_CONFIGURATION = """
homeassistant:
  name: Test
  unit_system: metric
  time_zone: UTC
  latitude: 0
  longitude: 0
  elevation: 0
  country: DE
http:
  server_host: 127.0.0.1
  server_port: {port}
logger:
  default: warning
automation: !include automations.yaml
"""


def missing() -> str | None:
    """Return why Home Assistant cannot run here, or None."""
    if os.geteuid() != 0:
        return "Home Assistant runs in a root of its own, which needs root"
    if not (ROOT_FOLDER / ".complete").exists():
        return "Home Assistant is not installed: scripts/install-test-tools --all, as root"
    return None


class HomeAssistant:
    """A started Home Assistant that is connected to a broker; use it in a `with`."""

    def __init__(self, folder: Path, broker: Broker):
        """Start it, create its owner, and add the MQTT integration."""
        self._folder, self._port = folder, free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        folder.mkdir(parents=True)
        (folder / "configuration.yaml").write_text(_CONFIGURATION.format(port=self._port))
        (folder / "automations.yaml").write_text("[]\n")
        self._session = requests.Session()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self._session.headers["Authorization"] = f"Bearer {self._onboard()}"
        self._add_broker(broker)

    def __enter__(self) -> "HomeAssistant":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it with what an earlier run left, and wait until its API answers."""
        script = (
            f"mount -t proc proc {ROOT_FOLDER}/proc && mount --rbind /dev {ROOT_FOLDER}/dev"
            f" && mount --bind {self._folder} {ROOT_FOLDER}/mnt"
            f" && exec chroot {ROOT_FOLDER} env -i HOME=/root LANG=C.UTF-8 PATH=/opt/home-assistant/bin:/usr/bin:/bin"
            " /opt/home-assistant/bin/hass --config /mnt --skip-pip"
        )
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until(self._answers, "Home Assistant answers", 120)

    def stop(self) -> None:
        """Stop it."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)
        self._process = None

    def get(self, path: str) -> Any:
        """Return the JSON answer of the REST API."""
        answer = self._session.get(f"{self._url}{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        """Post JSON to the REST API, and return the JSON answer."""
        answer = self._session.post(f"{self._url}{path}", json=body, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def render(self, template: str, **variables: Any) -> str:
        """Return what Home Assistant renders, as text without white space at both ends."""
        body = {"template": template, "variables": variables}
        answer = self._session.post(f"{self._url}/api/template", json=body, timeout=30)
        assert answer.ok, answer.text
        return answer.text.strip()

    def picture(self, entity_id: str) -> bytes:
        """Return the picture of an image or camera entity."""
        path = self.state(entity_id)["attributes"]["entity_picture"]
        answer = self._session.get(f"{self._url}{path}", timeout=30)
        return answer.content if answer.ok else b""

    def call(self, service: str, entity_id: str, **data: Any) -> None:
        """Call a service for an entity, such as `switch.turn_on`."""
        self.post(f"/api/services/{service.replace('.', '/')}", {"entity_id": entity_id, **data})

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the state objects of all entities by entity id."""
        return {state["entity_id"]: state for state in self.get("/api/states")}

    def state(self, entity_id: str) -> dict[str, Any]:
        """Return the state object of an entity; empty if there is none."""
        return self.states().get(entity_id, {})

    def value(self, entity_id: str) -> str | None:
        """Return the state of an entity; None if there is no such entity."""
        return self.state(entity_id).get("state")

    def wait_for(self, entity_id: str, expected: str | None, deadline_s: float = 30) -> None:
        """Wait for the state of an entity; None means that the entity must not exist."""
        end_s = time.monotonic() + deadline_s
        while (found := self.value(entity_id)) != expected:
            assert time.monotonic() < end_s, f"{entity_id} is {found}, not {expected}: {self.log()}"
            time.sleep(0.1)

    def command(self, kind: str, **data: Any) -> Any:
        """Run one command over the WebSocket API and return its result."""
        with self._connect() as socket:
            _send(socket, {"id": 1, "type": kind, **data})
            answer = _receive(socket)
            assert answer["success"], answer
            return answer["result"]

    def registry(self) -> dict[str, dict[str, Any]]:
        """Return the entries of the entity registry by unique id."""
        return {entry["unique_id"]: entry for entry in self.command("config/entity_registry/list")}

    def add_automation(self, name: str, automation: dict[str, Any]) -> None:
        """Create an automation, which runs at once."""
        self.post(f"/api/config/automation/config/{name}", {"alias": name, **automation})

    def log(self) -> str:
        """Return the warnings and errors so far."""
        file = self._folder / "home-assistant.log"
        return (file.read_text(errors="replace") if file.exists() else "") + (self._folder / "output").read_text()

    def complaints(self, *words: str) -> list[str]:
        """Return the lines of the log that contain any of these words, or name the MQTT integration or a template.

        The warning of the dispatcher comes from Home Assistant itself, whenever it reloads an integration with device
        triggers, as it does 30 s after an entity was enabled.
        """
        wanted = ("mqtt", "template", *words)
        own = "Unable to remove unknown dispatcher"
        return [
            line for line in self.log().splitlines()
            if (" WARNING " in line or " ERROR " in line) and any(word.lower() in line.lower() for word in wanted)
            and own not in line
        ]  # fmt: skip

    def _connect(self) -> Connection:
        socket = connect(f"ws://127.0.0.1:{self._port}/api/websocket", max_size=None)
        assert _receive(socket)["type"] == "auth_required"
        token = str(self._session.headers["Authorization"]).removeprefix("Bearer ")
        _send(socket, {"type": "auth", "access_token": token})
        assert _receive(socket)["type"] == "auth_ok"
        return socket

    def _answers(self) -> bool:
        assert self._process
        if self._process.poll() is not None:
            raise AssertionError(f"Home Assistant ended: {self.log()}")
        try:
            return self._session.get(f"{self._url}/manifest.json", timeout=2).status_code < 500
        except requests.ConnectionError:
            return False

    def _onboard(self) -> str:
        owner = {"client_id": _CLIENT, "name": "Test", "username": "test", "password": "test", "language": "en"}
        wait_until(lambda: self._session.get(f"{self._url}/api/onboarding", timeout=5).status_code == 200, "onboarding")
        code = self.post("/api/onboarding/users", owner)["auth_code"]
        answer = self._session.post(
            f"{self._url}/auth/token",
            data={"grant_type": "authorization_code", "code": code, "client_id": _CLIENT},
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def _add_broker(self, broker: Broker) -> None:
        flow = self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        while flow["type"] in ("form", "menu"):
            step = (
                {"next_step_id": "broker"} if flow["type"] == "menu" else {"broker": broker.host, "port": broker.port}
            )
            flow = self.post(f"/api/config/config_entries/flow/{flow['flow_id']}", step)
        assert flow["type"] == "create_entry", flow


def _send(socket: Connection, message: dict[str, Any]) -> None:
    socket.send(json.dumps(message))


def _receive(socket: Connection, timeout_s: float = 30) -> Any:
    return json.loads(socket.recv(timeout_s))
