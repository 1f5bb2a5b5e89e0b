"""A device without camera and broker, with the real updater, store, probe and labeler; the test supplies the frames."""

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from appliance.bundle.bundle import Bundle, read_bundle
from appliance.errors import BundleError
from appliance.labeling.labeler import Labeler
from appliance.labeling.probe import ProbeResult
from appliance.settings.schema import UpdateSettings
from appliance.transport.http import HttpLimits
from appliance.updates.sources.open import open_source
from appliance.updates.steps import UpdateStatus, UpdateStep
from appliance.updates.store.state import RevertedModel
from appliance.updates.store.store import Store
from appliance.updates.updater import Updater, UpdaterTools
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.model_server import ModelServer

QUICK = HttpLimits(connect_s=2, silence_s=1.5, answer_s=4, download_s=8, slow_bytes_per_s=2000, slow_window_s=0.3)
GRAY = np.full((8, 8, 3), 127, np.uint8)
FPS = 50.0
# The states of a successful update.
STEPS = ["available", "downloading", "verifying", "probing", "swapped", "probation", "committed"]


def probe_here(bundle: Path) -> ProbeResult:
    """Run a bundle in this process, for tests that do not involve bad native code."""
    labeler = Labeler(read_bundle(bundle))
    if not np.isfinite(labeler.score(GRAY)).all():
        raise BundleError("its scores are not numbers")
    return ProbeResult(labeler.identity, labeler.inference_ms, labeler.runtime)


class Rig:
    """One device. In a `with` block, its updater runs until the end of the block."""

    def __init__(
        self,
        folder: Path,
        url: str | None,
        *,
        installed: Path | None = None,
        probe: Callable[[Path], ProbeResult] = probe_here,
        **settings: Any,
    ):
        self.state = folder / "state"
        self.state.mkdir(parents=True, exist_ok=True)
        bundled = folder / "bundled"
        if not bundled.exists():
            bundle_folder(bundled, name="shipped", version="1.0")
        self.store = Store(self.state, bundled)
        if installed:
            self.store.install(read_bundle(installed), "a test")
        self._settings = UpdateSettings(
            **{"source": "url", "url": url, "interval_s": 0.0, "probation_s": 0.0, **settings}
        )
        self._probe = probe
        self.steps: list[UpdateStep] = []
        self.status = UpdateStatus()
        self.statuses: list[UpdateStatus] = []
        self.stuck_by: str | None = None
        self.blocked_by: str | None = None
        self.outcome: tuple[float, str | None] | None = None
        self.warming: Callable[[], None] = lambda: None
        self.labeler = self._load()
        self.updater: Updater | None = None

    def __enter__(self) -> "Rig":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, reverted: RevertedModel | None = None, **options: Any) -> None:
        """Start the updater's thread, as when the program starts."""
        self.labeler = self._load()
        self.updater = Updater(
            self._settings, FPS, self.store, self.state, self,
            lambda: open_source(self._settings, "test", self.state, limits=QUICK),
            reverted, UpdaterTools(probe=self._probe, **options),
        )  # fmt: skip
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        with contextlib.suppress(SystemExit):  # tests raise it to let the process die at a chosen point
            self.updater.run()

    def stop(self) -> None:
        """Stop the updater in an orderly way."""
        self.updater.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def restart(self, **settings: Any) -> None:
        """Stop, and start again with changed settings in the same state folder."""
        self.stop()
        self._settings = replace(self._settings, **settings)
        self.start()

    def check(self) -> dict[str, Any]:
        """Request a check and return the answer."""
        return self.updater.check().result(20)

    def install(self, version: str = "latest") -> dict[str, Any]:
        """Request an installation and return the answer."""
        return self.updater.install(version).result(30)

    def frames(self, count: int = 30, ms: float | None = None, error: str | None = None) -> None:
        """Label gray images with the active model, and record the results."""
        for _ in range(count):
            self.labeler.score(GRAY)
            self.updater.record_frame(self.labeler.inference_ms if ms is None else ms, error)

    def until(self, state: str, count: int = 1) -> UpdateStep:
        """Supply frames until a step is reported, and return the step."""

        def come() -> bool:
            self.frames(1, *(self.outcome or ()))
            return sum(step.state == state for step in list(self.steps)) >= count

        wait_until(come, f"{count} × {state}; the steps were {[step.state for step in self.steps]} {self.steps[-1:]}")
        return [step for step in self.steps if step.state == state][count - 1]

    @property
    def states(self) -> list[str]:
        """The states of the steps so far."""
        return [step.state for step in self.steps]

    @property
    def runs(self) -> str:
        """The name and version of the active model."""
        return f"{self.labeler.identity.name} {self.labeler.identity.version}"

    @property
    def would_run(self) -> str:
        """The name and version of the model that the next start would run."""
        identity = Store(self.state, self.store.bundled).load_current(Labeler).bundle.identity
        return f"{identity.name} {identity.version}"

    # The methods of updates.host.Host

    def running_bundle(self) -> Bundle:
        return self.labeler.bundle

    def delivery_blocked_reason(self) -> str | None:
        return self.blocked_by

    def preload(self, bundle: Bundle) -> Labeler:
        self.warming()
        return Labeler(bundle)

    def swap(self, warmed: Labeler, change: Callable[[], None]) -> None:
        change()
        self.labeler = warmed

    def reload_current(self, change: Callable[[], None]) -> None:
        change()
        self.labeler = self._load()

    def rollback(self, reason: str, refuse: bool = True) -> None:
        self.store.rollback(reason, refuse)
        self.labeler = self._load()

    def stuck_reason(self) -> str | None:
        return self.stuck_by

    def report_step(self, step: UpdateStep) -> None:
        self.steps.append(step)
        self.report_status(lambda status: status.follow(step))

    def report_status(self, change: Callable[[UpdateStatus], UpdateStatus]) -> None:
        self.status = change(self.status)
        self.statuses.append(self.status)

    def _load(self) -> Labeler:
        return self.store.load_current(Labeler).loaded


def publish(server: ModelServer, folder: Path, path: str = "/", *, hashes: bool = True, **bundle: Any) -> None:
    """Serve a bundle as a folder of files; with `hashes`, the manifest contains the SHA-256 of each file."""
    made = bundle_folder(folder, **bundle)
    if hashes:
        manifest = json.loads((made / "manifest.json").read_text())
        manifest["sha256"] = {
            name: sha256((made / name).read_bytes()).hexdigest() for name in ("model.tflite", "dict.txt")
        }
        (made / "manifest.json").write_text(json.dumps(manifest))
    server.put_folder(made, path)


def publish_second(server: ModelServer, folder: Path, salt: int = 2, **bundle: Any) -> None:
    """Serve version 2.0."""
    publish(server, folder / f"two-{salt}", version="2.0", model=made_models.good(salt), **bundle)


def start_probation(rig: Rig, server: ModelServer, folder: Path) -> None:
    """Serve version 2.0 and wait until it is on probation."""
    publish_second(server, folder)
    rig.frames(40, ms=5.0)
    rig.check()
    rig.until("probation")
