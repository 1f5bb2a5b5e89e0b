"""Build the teaching side of the daemon; nothing of it runs until someone uses it."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.bundle.bundle import read_bundle
from appliance.daemon.commands import DeviceCommand, DeviceCommands
from appliance.daemon.page.install import install_uploaded
from appliance.daemon.teaching.dataset import DeviceDataset
from appliance.daemon.teaching.training import TrainingJob
from appliance.errors import ControlError, ModelError, StoreError
from appliance.teaching.recorder import EVERY_S
from appliance.teaching.wording import Target
from appliance.updates.store.state import TRAINED_HERE

if TYPE_CHECKING:
    from appliance.daemon.parts import Parts

_LEAST_EVERY_S, _MOST_EVERY_S = 0.1, 60.0


class Teaching:
    """The dataset of the device and the training on it.

    Attributes:
        dataset: The dataset.
        training: The training job.
        find_blocked_reason: Returns why no model can be installed from the page; None if one can be.
    """

    def __init__(self, parts: "Parts", commands: DeviceCommands, state: Path):
        """Connect to the parts, and add the command of `appliance collect`.

        Args:
            parts: The connected parts of the daemon.
            commands: The command table.
            state: The state folder.
        """
        self._parts, self._commands = parts, commands
        self._install_lock = threading.Lock()
        self.find_blocked_reason: Callable[[], str | None] = lambda: parts.active.delivery_blocked_reason
        self.dataset = DeviceDataset(parts, state)
        self.training = TrainingJob(
            self.dataset.store,
            lambda: parts.active.current.bundle,
            self._install,
            self._find_reason,
            lambda job: self.dataset.notify("training", job),
        )
        commands.register("record", DeviceCommand(self._record))

    def use_notify(self, notify: Callable[[str, Mapping[str, Any] | None], None]) -> None:
        """Pass what changes on to the page."""
        self.dataset.notify = notify

    def stop(self) -> None:
        """End what runs in the background; returns after a few seconds at most."""
        self.training.stop()
        self.dataset.stop()

    def _find_reason(self) -> str | None:
        return self.find_blocked_reason()

    def _record(self, argument: Any) -> dict[str, Any]:
        """Carry out {"label" or "background", "every_s", "count", "renew"}, or {"stop": true}, for `appliance collect`.

        Raises:
            ControlError: The request has another form.
            TeachingError: Nothing can be recorded.
        """
        request = argument if isinstance(argument, Mapping) else {}
        if request.get("stop"):
            return self.dataset.stop_recording() | {"folder": str(self.dataset.store.folder)}
        label, every_s, count = request.get("label"), request.get("every_s", EVERY_S), request.get("count")
        is_background = bool(request.get("background"))
        is_valid = isinstance(every_s, int | float) and (count is None or isinstance(count, int))
        if isinstance(label, str) == is_background or not is_valid:
            raise ControlError("this daemon does not know this request; use the appliance command of the same version")
        every_s = min(_MOST_EVERY_S, max(_LEAST_EVERY_S, float(every_s)))
        target = Target(is_background=True) if is_background else self.dataset.find_target(label, False)
        state = self.dataset.recorder.record(target, every_s, count, bool(request.get("renew")))
        return state | {"folder": str(self.dataset.store.folder)}

    def _install(self, path: Path, origin: str) -> dict[str, Any]:
        if reason := self.find_blocked_reason():
            raise StoreError(reason)
        if not self._install_lock.acquire(blocking=False):
            raise StoreError("another model is being installed; try again in a moment")
        try:
            answer = install_uploaded(
                read_bundle(path), TRAINED_HERE, self._parts.active.store,
                lambda: self._commands.execute("reload-model"), probation=True,
            )  # fmt: skip
            # Without an update source, the command does not tell the updater, which also watches this probation.
            self._parts.updater.notify_store_changed()
            return answer
        except ModelError as error:
            raise type(error)(str(error).replace(str(path), origin)) from error
        finally:
            self._install_lock.release()
