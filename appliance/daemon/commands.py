"""The commands of the running daemon: one table, with MQTT and the control socket as front ends.

A command must not block the connection to the broker or another client of the socket: it is short, runs on its own
thread, or returns a future. Values that must survive a restart are written to disk before the command takes effect.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from appliance import __version__
from appliance.control.protocol import ARGUMENT_KEY, COMMAND_KEY, ControlCommand
from appliance.daemon.active_model import OWNER_ROLLBACK, ActiveModel
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.model_switch import ModelSwitch
from appliance.errors import ControlError, StoreError
from appliance.messaging.command_messages import Handler
from appliance.messaging.reports import Reports
from appliance.updates.steps import UpdateState, UpdateStep
from appliance.updates.updater import Updater

log = logging.getLogger("appliance.daemon")

# A check queries a server, which has its own time limits; a command waits no longer than this for the answer.
CHECK_LIMIT_S = 120.0

# Maps each command of the control socket to its name in the table.
SOCKET_COMMANDS: Mapping[str, str] = {
    ControlCommand.STATUS: "status",
    ControlCommand.MODELS_CHANGED: "reload-model",
    ControlCommand.MODEL_ROLLBACK: "rollback",
    ControlCommand.MODEL_CHECK: "check",
    ControlCommand.UPDATE_STATUS: "update-status",
    ControlCommand.OBSERVE: "observe",
    ControlCommand.FRAME: "frame",
    ControlCommand.WEB: "web",
    ControlCommand.RECORD: "record",
}


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """One entry of the command table.

    Attributes:
        run: Takes the parsed argument (None for a command without one) and returns the answer, None, or a future.
        takes_seconds: Whether `run` blocks for seconds, so that a front end that must not block runs it on a thread.
    """

    run: Callable[[Any], Any]
    takes_seconds: bool = False


@dataclass(frozen=True, slots=True)
class DeviceQueries:
    """Functions that answer commands without changing anything.

    Attributes:
        describe: Returns the state of the device, for `appliance check`.
        observe: Returns the state of the device and the newest scores, for `appliance watch`.
        encode_frame: Returns the newest frame, for `appliance snapshot`.
    """

    describe: Callable[[], dict[str, Any]]
    observe: Callable[[], dict[str, Any]]
    encode_frame: Callable[[], dict[str, Any]]


class DeviceCommands:
    """Look up and run commands; safe to call from any thread.

    A front end that must not block calls `submit`; one with a thread for each request calls `execute`.
    """

    def __init__(
        self,
        switch: ModelSwitch,
        active: ActiveModel,
        switches: DeviceSwitches,
        reports: Reports,
        report_step: Callable[[UpdateStep], None],
        updater: Updater | None,
        restart: Callable[[], None],
        queries: DeviceQueries,
    ):
        """Build the table.

        Args:
            switch: Changes the model and the threshold.
            active: The active model and the store.
            switches: Turn labeling, snapshots and the collection of frames on and off.
            reports: Publishes snapshots.
            report_step: Reports a step of an update.
            updater: Finds newer models; None if no update source is configured.
            restart: Stops the daemon in an orderly way so that it is started again.
            queries: Answer commands that only read.
        """
        self._switch = switch
        self._active = active
        self._switches = switches
        self._reports = reports
        self._report_step = report_step
        self._updater = updater
        self.table: dict[str, DeviceCommand] = {
            "threshold": DeviceCommand(switch.set_threshold),
            "running": DeviceCommand(switches.set_running),
            "snapshots": DeviceCommand(switches.set_snapshots),
            "collect": DeviceCommand(switches.set_collect),
            "snapshot": DeviceCommand(lambda _: self._request_snapshot()),
            "restart": DeviceCommand(lambda _: restart()),
            "rollback": DeviceCommand(lambda _: self._roll_back(), takes_seconds=True),
            "reload-model": DeviceCommand(lambda _: self._reload_model(), takes_seconds=True),
            "check": DeviceCommand(lambda _: self._require_updater().check()),
            "install": DeviceCommand(lambda version: self._require_updater().install(version)),
            "status": DeviceCommand(lambda _: queries.describe()),
            "observe": DeviceCommand(lambda _: queries.observe()),
            "frame": DeviceCommand(lambda _: queries.encode_frame()),
            "update-status": DeviceCommand(lambda _: self._require_updater().status()),
        }

    def register(self, name: str, command: DeviceCommand) -> None:
        """Add a command of an optional part."""
        self.table[name] = command

    def submit(self, name: str, argument: Any = None) -> Any:
        """Start a command without blocking.

        Args:
            name: A key of `table`.
            argument: The parsed argument; None for a command without one.

        Returns:
            The answer, or None, if the command is done; otherwise a future.

        Raises:
            ApplianceError: The command cannot be carried out.
        """
        command = self.table[name]
        return _run_in_background(lambda: command.run(argument)) if command.takes_seconds else command.run(argument)

    def execute(self, name: str, argument: Any = None, limit_s: float = CHECK_LIMIT_S) -> Any:
        """Run a command and wait for its answer.

        Args:
            name: A key of `table`.
            argument: The parsed argument; None for a command without one.
            limit_s: How long to wait for a future, in seconds.

        Raises:
            ApplianceError: The command cannot be carried out, or did not finish in time.
        """
        answer = self.table[name].run(argument)
        if not isinstance(answer, Future):
            return answer
        try:
            return answer.result(limit_s)
        except TimeoutError as error:
            raise ControlError(
                f"no answer within {limit_s:g} s: a download may be in progress, or the source may be slow;"
                " see the daemon's log, and try again later"
            ) from error

    def mqtt_handlers(self, names: Iterable[str]) -> dict[str, Handler]:
        """Return the handlers of MQTT commands by name.

        Args:
            names: The commands that have topics (messaging.topics).
        """

        def make_handler(name: str) -> Handler:
            return lambda argument: self.submit(name, argument)

        return {name: make_handler(name) for name in names}

    def answer_socket(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request on the control socket.

        Raises:
            ApplianceError: The command is unknown or cannot be carried out; the error's text is the answer.
        """
        command = request.get(COMMAND_KEY)
        name = SOCKET_COMMANDS.get(command) if isinstance(command, str) else None
        if name is None:
            raise ControlError(
                f"the daemon ({__version__}) does not know the command {command!r}; "
                "use the appliance command of the same version"
            )
        answer: dict[str, Any] = self.execute(name, request.get(ARGUMENT_KEY))
        return answer

    def _request_snapshot(self) -> Future[None]:
        if not self._switches.running:
            raise ControlError("there are no frames because labeling is turned off; set running to ON")
        return self._reports.request_snapshot()

    def _roll_back(self) -> dict[str, str]:
        leaving = self._active.current.bundle
        if self._active.is_overridden:
            raise StoreError("labeler.model names the model, so there is no previous model to go back to")
        identity = self._switch.switch(
            self._active.load_previous, lambda: self._active.roll_back(OWNER_ROLLBACK), leaving=leaving
        )
        left = leaving.identity
        self._report_step(UpdateStep(UpdateState.ROLLED_BACK, left.version, left.sha256, OWNER_ROLLBACK))
        self._notify_updater()
        return identity.as_dict()

    def _reload_model(self) -> dict[str, str]:
        identity = self._switch.switch(self._active.load)
        self._notify_updater()
        return identity.as_dict()

    def _notify_updater(self) -> None:
        """Notify the updater that a command changed the model."""
        if self._updater:
            self._updater.notify_store_changed()

    def _require_updater(self) -> Updater:
        if reason := self._active.delivery_blocked_reason:
            raise ControlError(reason)
        if self._updater is None:
            raise ControlError("no update source is configured; install a model with: appliance model install BUNDLE")
        return self._updater


def _run_in_background(work: Callable[[], Any]) -> Future[Any]:
    """Run work that takes seconds on a separate thread."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - passed to the caller through the future
            future.set_exception(error)

    threading.Thread(target=run, name="command", daemon=True).start()
    return future
