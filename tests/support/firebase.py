"""A device whose models come from Firebase, for the tests of that source, and .tflite files that contain labels."""

import io
import threading
import zipfile
from pathlib import Path
from typing import Any

from appliance.settings.schema import FirebaseSettings
from appliance.transport.http import Http
from appliance.updates.firebase.installation import Endpoints, Installation
from appliance.updates.sources.open import open_source
from appliance.updates.updater import Updater, UpdaterTools
from support.firebase_server import APP, KEY, PROJECT, FirebaseServer
from support.rig import FPS, QUICK, Rig

PROJECT_SETTINGS = {"project_id": PROJECT, "api_key": KEY, "app_id": APP}


class Clock:
    """A wall clock and monotonic clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def __iadd__(self, seconds: float) -> "Clock":
        self.now_s += seconds
        return self


def installation(server: FirebaseServer, folder: Path, clock: Clock, **settings: Any) -> Installation:
    """Return a device's identity as after a start of the program; the same folder means the same device."""
    url = server.url().rstrip("/")
    return Installation(
        FirebaseSettings(**(PROJECT_SETTINGS | settings)), folder, Http(QUICK), Endpoints(url, url, url),
        clock=clock, monotonic=clock, random=lambda: 0.5,
    )  # fmt: skip


class FirebaseRig(Rig):
    """Like Rig; `thresholds` contains the thresholds that Remote Config chose."""

    def __init__(self, folder: Path, firebase: dict[str, Any], **more: Any):
        self.thresholds: list[float | None] = []
        settings = FirebaseSettings(**(PROJECT_SETTINGS | firebase))
        super().__init__(folder, **({"url": None, "source": "firebase-ml", "firebase": settings} | more))

    def start(self, *arguments: Any, **options: Any) -> None:
        self.labeler = self._load()
        self.updater = Updater(
            self._settings, FPS, self.store, self.state, self,
            lambda: open_source(self._settings, "test", self.state, self, QUICK), None,
            UpdaterTools(probe=self._probe, **options),
        )  # fmt: skip
        self._thread = threading.Thread(target=self.updater.run, daemon=True)
        self._thread.start()

    def apply_remote_threshold(self, threshold: float | None) -> None:
        self.thresholds.append(threshold)


def with_labels(model: bytes, *labels: str) -> bytes:
    """Return the model with a label file and a card appended as a zip, as in TFLite metadata."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.txt", "\n".join(labels))
        archive.writestr("card.bin", bytes(4000))
    return model + packed.getvalue()
