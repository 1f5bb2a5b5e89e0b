"""The whole appliance on one machine with nothing around it: drawn scenes, and an MQTT broker of its own.

The broker is amqtt (the extra `demo`), on a free port of 127.0.0.1; it speaks MQTT 3.1.1, so the appliance does too.
What is printed has made the whole way: camera → labels → outbox → broker → a subscriber. After a while a newer model is
signed into a repository on this machine, as an operator does it, and the appliance takes it from there while it labels.
"""

import asyncio
import functools
import json
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.version import Version

from appliance.errors import ApplianceError, UsageError, how_to_install
from appliance.labeling.bundle import read_bundle, write_bundle
from appliance.models import BUNDLED
from appliance.service import Service
from appliance.settings import CameraSettings, DeviceSettings, EventSettings, MqttSettings, Settings, UpdateSettings

DEVICE = "demo"
_START_LIMIT_S = 20.0
# When the newer model is pushed: early enough that its probation ends before the demo does.
_PUSH_AFTER_S, _PUSH_AT, _PROBATION_S = 10.0, 1 / 3, 5.0
# The newer model reports what it is less sure of.
_NEWER_THRESHOLD = 0.5


class LocalBroker:
    """An MQTT 3.1.1 broker on 127.0.0.1 with one subscriber, in a thread of its own."""

    def __init__(self, topic_filter: str, on_message: Callable[[str, bytes], None]):
        """
        Args:
            topic_filter: What the subscriber listens to.
            on_message: Called on the broker's thread with topic and payload of each message that arrives.

        Raises:
            UsageError: amqtt is not installed.
            ApplianceError: The broker did not start.
        """
        try:
            import amqtt.broker
            import amqtt.client
        except ImportError as error:
            raise UsageError(f"the demo's broker is missing; {how_to_install('demo')}") from error
        self._amqtt = amqtt
        self._topic_filter = topic_filter
        self._on_message = on_message
        self.port = _free_port()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_LIMIT_S) or self._failure:
            raise ApplianceError(f"the demo's broker did not start on 127.0.0.1:{self.port}: {self._failure or 'no answer'}")

    def close(self) -> None:
        """Stops the broker and waits for its end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_LIMIT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the start
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        address = f"127.0.0.1:{self.port}"
        anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        broker = self._amqtt.broker.Broker({"listeners": {"default": {"type": "tcp", "bind": address}}, "plugins": anonymous})
        await broker.start()
        client = self._amqtt.client.MQTTClient(config={"auto_reconnect": False})
        await client.connect(f"mqtt://{address}")
        await client.subscribe([(self._topic_filter, 1)])
        self._started.set()
        listening = asyncio.create_task(self._listen(client))
        await self._stop.wait()
        listening.cancel()
        await client.disconnect()
        await broker.shutdown()

    async def _listen(self, client: Any) -> None:
        while True:
            message = await client.deliver_message()
            self._on_message(message.topic, bytes(message.data))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class LocalRepository:
    """A signed repository of models, served by a plain static web server on 127.0.0.1."""

    def __init__(self, folder: Path):
        """
        Args:
            folder: An empty one, for the site and its keys.

        Raises:
            UsageError: What signs is not installed.
        """
        try:
            from appliance.workshop.publishing import KeyFolder, Publisher
        except ImportError as error:
            raise UsageError(f"signing a model needs more; {how_to_install('publish')}") from error
        self._folder = folder
        site = folder / "site"
        site.mkdir(parents=True)
        self._publisher = Publisher(site, KeyFolder(folder / "keys"))
        self._publisher.init()
        self.root = self._publisher.keys.device_root
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(site)))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="repository", daemon=True).start()

    def push_newer(self) -> str:
        """Signs the bundled model with a greater version and another threshold; says what it did."""
        bundle = read_bundle(BUNDLED)
        release = Version(bundle.version or "0").release
        version = ".".join(map(str, (release[0], release[1] + 1 if len(release) > 1 else 1, 0)))
        newer = replace(
            bundle, identity=replace(bundle.identity, version=version), confidence_threshold=_NEWER_THRESHOLD, label_thresholds={}
        )
        write_bundle(newer, self._folder / version)
        self._publisher.push(self._folder / version)
        return f"{bundle.identity.name} {version}, which reports from a score of {_NEWER_THRESHOLD} on"

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def demo_settings(port: int, repository: LocalRepository | None = None) -> Settings:
    """Drawn scenes at 10 fps, the bundled model, events that come and go quickly, and updates on command."""
    signed = {"source": "repository", "url": repository.url, "root": repository.root} if repository else {}
    return Settings(
        update=UpdateSettings(**signed, interval_s=0, probation_s=_PROBATION_S),
        device=DeviceSettings(id=DEVICE, name="Demo camera"),
        camera=CameraSettings(source="scene", fps=10),
        events=EventSettings(end_after_s=0.5, cooldown_s=1.0),
        mqtt=MqttSettings(host="127.0.0.1", port=port, protocol="3.1.1"),
    )


def run_demo(seconds: float, say: Callable[[str], None]) -> int:
    """Runs the appliance for `seconds` (0: until Ctrl-C) and says each event as it comes back from the broker.

    Returns:
        How many events arrived.
    """
    arrived = 0

    def on_message(topic: str, payload: bytes) -> None:
        nonlocal arrived
        if topic.endswith("/event"):
            arrived += 1
            say(_event_line(json.loads(payload)))
        elif topic.endswith("/update"):
            say(_update_line(json.loads(payload)))

    broker = LocalBroker(f"appliance/{DEVICE}/#", on_message)
    try:
        say(f"Drawn scenes → labels → MQTT on 127.0.0.1:{broker.port}, with the model that ships. Ctrl-C ends it.")
        say(f"To see every topic: mosquitto_sub -p {broker.port} -V 311 -v -t 'appliance/{DEVICE}/#'")
        with tempfile.TemporaryDirectory(prefix="appliance-demo-") as folder:
            repository = _repository(Path(folder) / "operator", say)
            service = Service(demo_settings(broker.port, repository), Path(folder), Path(folder))
            service.start()
            after_s = min(_PUSH_AFTER_S, seconds * _PUSH_AT) if seconds else _PUSH_AFTER_S
            push = threading.Timer(after_s, _push, (service, repository, say))
            push.daemon = True
            if repository:
                push.start()
            try:
                service.supervise(seconds or None)
            except KeyboardInterrupt:
                pass
            finally:
                push.cancel()
                service.stop()
                if repository:
                    repository.close()
    finally:
        broker.close()
    return arrived


def _repository(folder: Path, say: Callable[[str], None]) -> LocalRepository | None:
    try:
        return LocalRepository(folder)
    except UsageError as error:
        say(f"Without a newer model on the way: {error}")
        return None


def _push(service: Service, repository: LocalRepository, say: Callable[[str], None]) -> None:
    """The operator's part: a newer model is signed and put up; then the device is told to look."""
    try:
        pushed = repository.push_newer()
    except ApplianceError as error:
        say(f"          no newer model could be pushed: {error}")
        return
    say(f"          -- signed and put on the channel stable of {repository.url}: {pushed}")
    service.updater.check()


def _update_line(step: dict[str, Any]) -> str:
    because = f"  ({step['reason']})" if step["reason"] else ""
    return f"          update   {step['state']:<12} {step['version'] or ''}{because}"


def _event_line(event: dict[str, Any]) -> str:
    clock = (event["ended"] or event["started"])[11:19]
    if event["type"] == "started":
        return f"{clock}  started  {event['label']:<12} {event['score']:.2f}       model {event['model']['version']}"
    because = f"  ({event['reason']})" if "reason" in event else ""
    return f"{clock}  ended    {event['label']:<12} peak {event['peak_score']:.2f}  model {event['model']['version']}{because}"
