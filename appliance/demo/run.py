"""The whole appliance on one machine with nothing around it: drawn scenes, and an MQTT broker of its own.

The broker is amqtt (the extra `demo`), on a free port of 127.0.0.1; it speaks MQTT 3.1.1, so the appliance does too.
What is printed has made the whole way: camera → labels → outbox → broker → a subscriber. After a while a newer model is
signed into a repository on this machine, as an operator does it, and the appliance takes it from there while it labels.
"""

import json
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.daemon.service import Service
from appliance.demo.broker import LocalBroker
from appliance.demo.repository import LocalRepository
from appliance.errors import ApplianceError, UsageError
from appliance.settings.schema import (
    CameraSettings,
    DeviceSettings,
    EventSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
)

DEVICE = "demo"
# When the newer model is pushed: early enough that its probation ends before the demo does.
_PUSH_AFTER_S, _PUSH_AT, _PROBATION_S = 10.0, 1 / 3, 5.0


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
