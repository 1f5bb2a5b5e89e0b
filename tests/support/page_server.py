"""A small server with the page's files and made-up answers, for tests of the page without a daemon."""

import contextlib
import io
import json
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from appliance.camera.scene.camera import SceneCamera
from appliance.settings.schema import CameraSettings
from support.teach_answers import TeachAnswers

PAGE = Path(__file__).parents[2] / "appliance/web/page"
CODE = "c0de-of-a-sign-in-link"
LABELS = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
Answer = tuple[int, Any]


def to_text(moment: datetime) -> str:
    """Return a time as the device writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_event(number: int, label: str, started: datetime, open_: bool = False) -> dict[str, Any]:
    """Return an event that took a few seconds."""
    lasted_s = None if open_ else 3 + number % 40
    others = [{"label": other, "score": 0.01} for other in LABELS if other != label]
    return {
        "id": f"event-{number}",
        "label": label,
        "score": 0.91,
        "peak_score": 0.97,
        "started": to_text(started),
        "ended": None if open_ else to_text(started + timedelta(seconds=lasted_s)),
        "duration_s": lasted_s,
        "reason": None,
        "model": {"name": "flowers", "version": "0.2.0"},
        "scores": [{"label": label, "score": 0.91}, *others],
        "picture": True,
    }


def make_status() -> dict[str, Any]:
    """Return the status of a device on which all is well."""
    now = to_text(datetime.now(UTC))
    return {
        "device": {
            "id": "pi-1a2b3c4d", "name": "Kitchen", "version": "1.0", "host": "kitchen", "timezone": "UTC", "time": now,
        },
        "camera": {
            "state": "streaming", "reason": None, "description": "drawn scenes", "fps": 5.0, "age_s": 0.1,
            "size": [640, 480],
        },
        "running": True, "snapshots": False, "collect": False,
        "labeling": {"state": "ok", "reason": None},
        "known": True,
        "current": {"label": "tulips", "score": 0.97, "since": now},
        "labels": make_scores(0.97),
        "threshold": {"value": 0.3, "source": "model", "default": 0.3},
        "thresholds": {},
        "model": {
            "name": "flowers", "version": "0.2.0", "sha256": "5f" * 32,
            "input": {"size": [128, 128], "range": "0 to 255", "resize": "stretch", "source": "metadata"},
            "runtime": "LiteRT 2.3.0", "kernels": "XNNPACK",
            "labels": LABELS, "description": "Five kinds of flowers, nothing else.", "card": True, "report": False,
            "since": now, "origin": "shipped with the program",
        },
        "update": {
            "state": None, "version": None, "reason": None, "percentage": None, "available": None,
            "probation_left_s": None,
        },
        "broker": {"connected": True, "trouble": None, "waiting": 0},
        "history": {"enabled": True, "error": None},
        "viewers": 1, "upload": True, "problems": [],
    }  # fmt: skip


def make_scores(score: float) -> list[dict[str, Any]]:
    """Return scores with tulips first."""
    rest = [("roses", 0.11), ("daisy", 0.02), ("sunflowers", 0.01), ("dandelion", 0.004)]
    return [{"label": label, "score": value} for label, value in [("tulips", score), *rest]]


class PageServer:
    """Serves the page at `url` until `close`; tests change `status`, `events`, and `answers`, and read `received`."""

    def __init__(self, port: int = 0):
        self.status = make_status()
        now = datetime.now(UTC)
        self.events = [make_event(n, LABELS[n % 5], now - timedelta(minutes=7 * n + 1)) for n in range(170)]
        self.answers: dict[str, Answer] = {}
        self.received: list[tuple[str, str, Any]] = []
        self.signed_in = True
        self.scope = "admin"
        self.teach = TeachAnswers(self.send)
        self._cameras = iter(self._draw_frames())
        self._frame = next(self._cameras)
        self._streams: list[Any] = []
        self._lock = threading.Lock()
        self._open(port)

    def _open(self, port: int) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._stop = threading.Event()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()

    def send(self, event: str, value: Any) -> None:
        """Send a message to every open stream."""
        block = f"event: {event}\ndata: {json.dumps(value)}\n\n".encode()
        with self._lock:
            for stream in list(self._streams):
                try:
                    stream.write(block)
                    stream.flush()
                except OSError:
                    self._streams.remove(stream)

    def change(self, **parts: Any) -> None:
        """Change parts of the status, and send it."""
        for name, value in parts.items():
            old = self.status.get(name)
            self.status[name] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        self.send("status", self.status)

    def stop(self) -> None:
        """Go offline: end every stream, accept no connection."""
        self._stop.set()
        self._ticker.join()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for stream in self._streams:
                with contextlib.suppress(OSError):
                    stream.raw._sock.shutdown(2)
            self._streams.clear()

    def restart(self) -> None:
        """Come back online at the same port."""
        self._open(self.port)

    def close(self) -> None:
        """Go offline for good."""
        self.teach.close()
        self.stop()

    def add_stream(self, stream: Any) -> None:
        with self._lock:
            self._streams.append(stream)

    def read_frame(self) -> bytes:
        return self._frame

    def _draw_frames(self) -> Any:
        camera = SceneCamera(CameraSettings(source="scene"))
        while True:
            out = io.BytesIO()
            Image.fromarray(camera.read()).save(out, "JPEG", quality=80)
            yield out.getvalue()

    def _tick(self) -> None:
        frame = 0
        while not self._stop.wait(0.2):
            frame += 1
            self._frame = next(self._cameras)
            if not self.status["running"] or self.status["camera"]["state"] != "streaming":
                continue
            scores = make_scores(round(0.9 + 0.07 * math.sin(frame / 3), 4))
            passing = scores[0]["score"] >= self.status["threshold"]["value"]
            current = {"label": "tulips", "score": scores[0]["score"]} if passing else None
            time_ = to_text(datetime.now(UTC))
            labels = {"time": time_, "frame": frame, "labels": scores, "known": True, "inference_ms": 8.1}
            self.send("labels", {**labels, "current": current})


class _Handler(BaseHTTPRequestHandler):
    owner: PageServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def do_PATCH(self) -> None:
        self._handle("PATCH")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def _handle(self, method: str) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if method == "GET" and (parts.path == "/" or parts.path.startswith("/page/")):
            file = PAGE / ("index.html" if parts.path == "/" else parts.path.removeprefix("/page/"))
            self._send(
                200 if file.is_file() else 404, file.read_bytes() if file.is_file() else b"", _TYPES[file.suffix]
            )
            return
        is_json = self.headers.get("Content-Type") == "application/json"
        value = json.loads(body) if body and is_json else body
        if method != "GET":
            self.owner.received.append((method, self.path, value))
        if parts.path == "/api/labels" and self.owner.signed_in:
            self._stream()
            return
        status, answer = self._answer(method, parts.path, parse_qs(parts.query), value)
        if isinstance(answer, bytes):
            self._send(status, answer, "image/jpeg")
        else:
            self._send(status, b"" if answer is None else json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, body: bytes, type_: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": type_,
            "Content-Length": len(body),
            "Content-Security-Policy": _POLICY,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        stream = self.connection.makefile("wb")
        stream.write(f"event: status\ndata: {json.dumps(self.owner.status)}\n\n".encode())
        stream.flush()
        self.owner.add_stream(stream)
        self.owner._stop.wait()
        self.close_connection = True

    def _answer(self, method: str, path: str, query: dict[str, list[str]], value: Any) -> Answer:
        owner = self.owner
        if f"{method} {path}" in owner.answers:
            return owner.answers[f"{method} {path}"]
        if path == "/api/name":
            return 200, {"name": owner.status["device"]["name"]}
        if method == "POST" and path == "/api/session":
            owner.signed_in = owner.signed_in or value["code"] == CODE
            return (
                (204, None) if owner.signed_in else (401, {"error": "this code is wrong or was used; get a new link"})
            )
        if not owner.signed_in:
            return 401, {"error": "sign in first"}
        return self._answer_signed_in(method, path, query, value)

    def _answer_signed_in(self, method: str, path: str, query: dict[str, list[str]], value: Any) -> Answer:
        owner = self.owner
        if method in ("DELETE",) and path.startswith("/api/session"):
            owner.signed_in = False
            return 204, None
        if method == "DELETE" and path.startswith("/api/events/"):
            owner.events = [event for event in owner.events if event["id"] != path.rsplit("/", 1)[-1]]
            return 204, None
        if path == "/api/threshold":
            default = owner.status["threshold"]["default"]
            owner.change(threshold={"value": default, "source": "model"}
                         if value["value"] is None else {"value": value["value"], "source": "mqtt"})  # fmt: skip
        if path == "/api/running":
            owner.change(running=value["value"], known=value["value"], current=None)
        if path.startswith(("/api/dataset", "/api/training")):
            return owner.teach.answer(method, path, query, value)
        if method != "GET":
            return 200, {"ok": True}
        if path.startswith("/api/events"):
            return self._answer_events(path, query)
        canned = {
            "/api/session": {"scope": owner.scope, "device": owner.status["device"]["name"]},
            "/api/status": owner.status,
            "/api/frame.jpg": owner.read_frame(),
            "/api/model": owner.status["model"]
            | {"card": "<h1>Flowers</h1><p>Five kinds of flowers.</p><script>alert(1)</script>", "history": []},
            "/api/device/check": make_check(),
            "/api/device/stats": make_stats(),
            "/api/device/log": make_log(),
            "/api/device/settings": make_settings(),
            "/api/help": [{"topic": "mqtt", "title": "MQTT", "summary": "Every topic, payload, and command."}],
            "/api/help/mqtt": {"title": "MQTT", "html": "<h1>MQTT</h1><p>Every topic.</p>"},
        }
        return (200, canned[path]) if path in canned else (404, {"error": "there is nothing at this address"})

    def _answer_events(self, path: str, query: dict[str, list[str]]) -> Answer:
        owner = self.owner
        label = query.get("label", [None])[0]
        events = [event for event in owner.events if label in (None, event["label"])]
        if path == "/api/events/labels":
            return 200, {"labels": sorted({event["label"] for event in owner.events})}
        if path == "/api/events/strip":
            start = datetime.fromisoformat(query["start"][0]).timestamp()
            bars: dict[tuple[int, str], int] = {}
            for event in owner.events:
                part = int((datetime.fromisoformat(event["started"]).timestamp() - start) // 900)
                if 0 <= part < 96:
                    bars[part, event["label"]] = bars.get((part, event["label"]), 0) + 1
            return 200, [{"part": part, "label": label, "count": count} for (part, label), count in bars.items()]
        if path != "/api/events":
            found = next(
                (event for event in events if event["id"] == path.rsplit("/", 1)[-1].removesuffix(".jpg")), None
            )
            if not found:
                return 404, {"error": "this event was removed"}
            return 200, owner.read_frame() if path.endswith(".jpg") else found
        return self._list_events(events, query)

    def _list_events(self, events: list[dict[str, Any]], query: dict[str, list[str]]) -> Answer:
        for name, keep in (("since", lambda start, at: start >= at), ("until", lambda start, at: start < at)):
            if name in query:
                at = datetime.fromisoformat(query[name][0])
                events = [event for event in events if keep(datetime.fromisoformat(event["started"]), at)]
        if "before" in query:
            ids = [event["id"] for event in events]
            if query["before"][0] in ids:
                events = events[ids.index(query["before"][0]) + 1 :]
            elif "until" not in query:
                return 404, {"error": "this event was removed"}
        limit = int(query.get("limit", ["50"])[0])
        return 200, {"events": events[:limit], "more": len(events) > limit}


def make_check() -> list[dict[str, Any]]:
    message = "no broker is listening at localhost:1883; start it, or correct mqtt.host and mqtt.port"
    return [
        {"part": "camera", "ok": True, "message": "a frame of 640×480"},
        {"part": "broker", "ok": False, "message": message},
    ]


def make_stats() -> list[dict[str, Any]]:
    now = time.time()
    points = []
    for minute in range(600):
        at = now - 60 * (600 - minute)
        points.append({
            "time": to_text(datetime.fromtimestamp(at, UTC)), "fps": 5 - (minute % 90 == 0),
            "inference_ms": {"p50": 8 + math.sin(minute / 40), "p95": 11}, "cpu_temp_c": 52 + 6 * math.sin(minute / 90),
            "rss_mb": 180 + minute / 50, "disk_free_mb": 21_000 - minute, "outbox": {"waiting": max(0, minute - 560)},
            "dropped": minute, "damaged": 0,
        })  # fmt: skip
    return points


def make_log() -> list[dict[str, Any]]:
    now = to_text(datetime.now(UTC))
    return [{"time": now, "level": "INFO" if n % 9 else "WARNING", "text": f"line {n} of the log"} for n in range(60)]


def make_settings() -> list[dict[str, Any]]:
    return [
        {"key": "camera.fps", "value": 5.0, "default": 5.0, "source": "default", "description": "Frames a second."},
        {"key": "mqtt.host", "value": "localhost", "default": "localhost", "source": "appliance.toml:12",
         "description": "The broker's host name."},
    ]  # fmt: skip


if __name__ == "__main__":
    running = PageServer(8931)
    print(running.url)
    threading.Event().wait()
