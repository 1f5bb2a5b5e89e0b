"""Run the whole appliance on one machine: drawn scenes, an embedded MQTT broker, and a model update while it runs.

The broker is amqtt (the extra `demo`) on a free port of 127.0.0.1; the broker and the appliance use MQTT 3.1.1. Each
printed event has passed through the whole chain: camera → labels → outbox → broker → subscriber. After a while, a newer
model is signed and published in a local repository, as an operator would do it, and the appliance installs it.
"""

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from appliance.daemon.service import Service
from appliance.demo.broker import LocalBroker
from appliance.demo.repository import LocalRepository
from appliance.errors import ApplianceError, UsageError, suggest_install
from appliance.settings.schema import (
    CameraSettings,
    DeviceSettings,
    EventSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
    WebSettings,
)
from appliance.system.text_layout import CommandLine

DEVICE = "demo"
PrintLine = Callable[[str | CommandLine], None]
# The newer model is pushed early enough that its probation ends before the demo does.
_PUSH_AFTER_S = 10.0
_PUSH_AFTER_FRACTION = 1 / 3
_PROBATION_S = 5.0
_WEB_PORT = 8080


def make_settings(port: int, repository: LocalRepository | None = None, web_port: int | None = None) -> Settings:
    """Return the demo's settings: drawn scenes at 10 fps, the bundled model, short events, updates on command.

    Args:
        port: The broker's port on 127.0.0.1.
        repository: The update source; None for none.
        web_port: The port of the page on 127.0.0.1; None for no page.
    """
    web = WebSettings() if web_port is None else WebSettings(True, (f"127.0.0.1:{web_port}",), upload=True)
    if repository:
        update = UpdateSettings(
            source="repository", url=repository.url, root=repository.root, interval_s=0, probation_s=_PROBATION_S
        )
    else:
        update = UpdateSettings(interval_s=0, probation_s=_PROBATION_S)
    return Settings(
        update=update,
        web=web,
        device=DeviceSettings(id=DEVICE, name="Demo camera"),
        camera=CameraSettings(source="scene", fps=10),
        events=EventSettings(end_after_s=0.5, cooldown_s=1.0),
        mqtt=MqttSettings(host="127.0.0.1", port=port, protocol="3.1.1"),
    )


def run_demo(seconds: float, print_line: PrintLine) -> int:
    """Run the appliance and print each event as it arrives from the broker.

    Args:
        seconds: How long to run; 0 to run until Ctrl-C.
        print_line: Prints one line.

    Returns:
        The number of events that arrived.

    Raises:
        UsageError: A library that the demo needs is not installed.
        ApplianceError: The appliance or the broker did not start, or failed.
    """
    events = 0

    def on_message(topic: str, payload: bytes) -> None:
        nonlocal events
        if topic.endswith("/event"):
            events += 1
            print_line(_format_event(json.loads(payload)))
        elif topic.endswith("/update"):
            print_line(_format_update(json.loads(payload)))

    broker = LocalBroker(f"appliance/{DEVICE}/#", on_message)
    try:
        print_line(
            f"Drawn scenes → labels → MQTT on 127.0.0.1:{broker.port}, with the bundled model. Press Ctrl-C to stop."
        )
        command = f"mosquitto_sub -p {broker.port} -V 311 -v -t 'appliance/{DEVICE}/#'"
        print_line(CommandLine("To see every topic:", command))
        with (
            tempfile.TemporaryDirectory(prefix="appliance-demo-") as folder,
            _open_repository(Path(folder) / "operator", print_line) as repository,
        ):
            _run_service(Path(folder), broker.port, repository, seconds, print_line)
    finally:
        broker.close()
    return events


@contextlib.contextmanager
def _open_repository(folder: Path, print_line: PrintLine) -> Iterator[LocalRepository | None]:
    """Serve a repository; yield None if the libraries for signing are not installed."""
    try:
        repository = LocalRepository(folder)
    except UsageError as error:
        print_line(f"No newer model will be pushed: {error}")
        yield None
        return
    try:
        yield repository
    finally:
        repository.close()


def _run_service(
    folder: Path, port: int, repository: LocalRepository | None, seconds: float, print_line: PrintLine
) -> None:
    service = Service(make_settings(port, repository, _find_web_port()), folder, folder)
    service.start()
    if link := service.page.make_link():
        print_line(CommandLine("The page, with live picture:", link))
    else:
        print_line(f"No page is served; {suggest_install('web')}")
    push: threading.Timer | None = None
    if repository:
        after_s = min(_PUSH_AFTER_S, seconds * _PUSH_AFTER_FRACTION) if seconds else _PUSH_AFTER_S
        push = threading.Timer(after_s, _push_newer, (service, repository, print_line))
        push.daemon = True
        push.start()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            service.supervise(seconds or None)
    finally:
        if push:
            push.cancel()
        service.stop()


def _find_web_port() -> int | None:
    """Return a free port for the page, 8080 if possible; None if the libraries of the page are not installed."""
    if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "markdown_it")):
        return None
    for wanted in (_WEB_PORT, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", wanted)) as server:
            port: int = server.getsockname()[1]
            return port
    return None


def _push_newer(service: Service, repository: LocalRepository, print_line: PrintLine) -> None:
    """Publish a newer model as an operator would, and make the device check for it."""
    try:
        description = repository.push_newer()
    except ApplianceError as error:
        print_line(f"          no newer model could be pushed: {error}")
        return
    print_line(f"          -- signed and published on the channel stable of {repository.url}: {description}")
    service.parts.updater.check()


def _format_update(step: dict[str, Any]) -> str:
    reason = f"  ({step['reason']})" if step["reason"] else ""
    return f"          update   {step['state']:<12} {step['version'] or ''}{reason}"


def _format_event(event: dict[str, Any]) -> str:
    clock = (event["ended"] or event["started"])[11:19]
    label, model = f"{event['label']:<12}", f"model {event['model']['version']}"
    if event["type"] == "started":
        return f"{clock}  started  {label} {event['score']:.2f}       {model}"
    reason = f"  ({event['reason']})" if "reason" in event else ""
    return f"{clock}  ended    {label} peak {event['peak_score']:.2f}  {model}{reason}"
