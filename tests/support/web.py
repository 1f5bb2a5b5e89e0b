"""A daemon with the page, in this process: drawn scenes, the bundled model, no broker; and a client without manners."""

import http.client
import json
import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance.daemon.service import Service
from appliance.settings.schema import (
    CameraSettings,
    DeviceSettings,
    EventSettings,
    MqttSettings,
    Settings,
    WebSettings,
)
from appliance.web.access.principal import Scope
from support.broker import free_port, wait_until

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a JSON value."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The sentence of an error."""
        assert set(self.json) == {"error"}, self.body
        return str(self.json["error"])


@dataclass
class WebClient:
    """Sends requests as a program with a token, as a browser with a cookie, or as neither.

    Attributes:
        headers: Headers of every request.
    """

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    @property
    def origin(self) -> str:
        """The origin of the page."""
        return f"{'https' if self.tls else 'http'}://{HOST}:{self.port}"

    def connect(self, timeout_s: float = 30) -> http.client.HTTPConnection:
        """Return a connection."""
        if self.tls:
            return http.client.HTTPSConnection(HOST, self.port, timeout=timeout_s, context=self.tls)
        return http.client.HTTPConnection(HOST, self.port, timeout=timeout_s)

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}, timeout_s: float = 30
    ) -> Answer:
        """Send a request; a body that is no bytes is sent as JSON."""
        given = {**self.headers, **headers}
        if body is not None and not isinstance(body, bytes):
            body, given = json.dumps(body).encode(), {"Content-Type": "application/json", **given}
        connection = self.connect(timeout_s)
        try:
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET request."""
        return self.send("GET", path, headers=headers)

    def raw(self, data: bytes, timeout_s: float = 5) -> bytes:
        """Send bytes, and return everything that is answered until the connection ends or is silent."""
        with socket.create_connection((HOST, self.port), timeout_s) as connection:
            connection.sendall(data)
            parts = []
            try:
                while part := connection.recv(65536):
                    parts.append(part)
            except TimeoutError:
                pass
            return b"".join(parts)


class WebDevice:
    """A running daemon with the page."""

    def __init__(self, folder: Path, settings: Settings | None = None, **web: Any):
        """Start it.

        Args:
            folder: The folder for its state.
            settings: Other settings; the page is turned on in them.
            web: More values of the section web.
        """
        self.state, port = folder / "state", free_port()
        self.state.mkdir(parents=True, exist_ok=True)
        web = {"enabled": True, "listen": (f"{HOST}:{port}",), **web}
        self.settings = replace(settings or make_settings(), web=WebSettings(**web))
        self._interval = sys.getswitchinterval()
        self.service = Service(self.settings, self.state, folder)
        self.service.start()
        self._thread = threading.Thread(target=self.service.supervise, daemon=True)
        self._thread.start()
        self.port = port
        self.access = self.service.page._commands.access
        self.device = self.service.page._running.device
        wait_until(lambda: self.service.parts.latest.result, "a labeled frame")

    def __enter__(self) -> "WebDevice":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it."""
        self.service.request_stop()
        self._thread.join(20)
        self.service.stop()
        sys.setswitchinterval(self._interval)

    def anonymous(self) -> WebClient:
        """Return a client that is not signed in."""
        return WebClient(self.port)

    def program(self, scope: Scope = Scope.ADMIN, name: str | None = None) -> WebClient:
        """Return a client with a new token."""
        name = name or f"token-{len(self.access.list_tokens())}"
        return WebClient(self.port, {"Authorization": f"Bearer {self.access.new_token(name, scope)}"})

    def browser(self) -> WebClient:
        """Return a client that signed in with a link, and sends what a browser sends from the page."""
        client = self.anonymous()
        headers = {"Origin": client.origin, "Sec-Fetch-Site": "same-origin"}
        answer = client.send("POST", "/api/session", {"code": self.access.make_code()}, headers)
        assert answer.status == 204, answer
        return WebClient(self.port, {**headers, "Cookie": answer.headers["set-cookie"].partition(";")[0]})


def make_settings(**sections: Any) -> Settings:
    """Return settings for drawn scenes, short events, and a broker that does not answer."""
    values: dict[str, Any] = {
        "device": DeviceSettings(id="t", name="Kitchen"),
        "camera": CameraSettings(source="scene", fps=10),
        "events": EventSettings(start_frames=1, end_after_s=0.2, cooldown_s=0),
        "mqtt": MqttSettings(host=HOST, port=1),
    }
    return Settings(**(values | sections))
