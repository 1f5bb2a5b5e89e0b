"""Commands that arrive over MQTT: parse them, run their handlers, and answer them.

Any client that the broker accepts may write anything to a command's topic, so only the payloads in the manual are
accepted; any other payload changes nothing and is answered with an error that lists the valid ones. A retained command
is ignored, because it was meant for a moment that has passed. Every other command is answered once; the publisher
decides where the answer may go.

A flood of commands costs little: a few run a second, the last of each kind wins (command_pace.py), and the flood is
logged once. Answers to commands that did not run are limited, too.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, Protocol, TypeVar

from appliance.errors import ApplianceError, CommandError
from appliance.messaging.command_pace import Allowance, CommandPace
from appliance.messaging.home_assistant.announcer import Timer, start_timer
from appliance.messaging.payloads import SwitchState
from appliance.messaging.topics import Topics

log = logging.getLogger("appliance.mqtt")

_MAX_BYTES = 256  # far more than any valid command needs
_QUOTED_CHARACTERS = 40
_BURST, _PER_S = 5, 4.0  # commands that run at once, and then in a second
_FAILED_BURST, _FAILED_PER_S = 20, 5.0  # commands that are answered although they did not run

Handler = Callable[[Any], Future[Any] | None]
"""Runs a command. Returns None if it is done or a future if it finishes later; raises ApplianceError if it failed."""


class CommandMessage(Protocol):
    """A message on a command's topic."""

    @property
    def topic(self) -> str:
        """The topic."""
        ...

    @property
    def payload(self) -> bytes:
        """The payload, which may be anything."""
        ...

    @property
    def retained(self) -> bool:
        """Whether it is a retained message."""
        ...


M = TypeVar("M", bound=CommandMessage)


class Commands(Generic[M]):
    """Dispatches the commands of one device to their handlers."""

    def __init__(
        self,
        topics: Topics,
        handlers: Mapping[str, Handler],
        answer: Callable[[M, dict[str, Any]], None],
        *,
        start_timer: Callable[[float, Callable[[], None]], Timer] = start_timer,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Create the dispatcher.

        Args:
            topics: The device's topics.
            handlers: One for each name in `topics.commands`. They receive a float or None (threshold), a bool
                (running, snapshots, collect), `latest` or a version (install), or None (the others). They must not
                block: a handler that takes long returns a future.
            answer: Sends the answer to a message, `{"ok": true}` or `{"ok": false, "error"}`; called on any thread.
            start_timer: Runs an action after a delay in seconds.
            clock: Monotonic seconds.
        """
        self._names = {topic: name for name, topic in topics.commands.items()}
        self._handlers = handlers
        self._answer = answer
        self._ignored: set[str] = set()
        self._pace = CommandPace(_BURST, _PER_S, start_timer, clock)
        self._failed = Allowance(_FAILED_BURST, _FAILED_PER_S, clock)
        self._lock = threading.Lock()
        self._ignored_in_flood = 0

    def handle(self, message: M) -> None:
        """Run one command and answer it; never raise. Ignore messages on other topics."""
        name = self._names.get(message.topic)
        if name is None:
            return
        if message.retained:
            self._log_retained(message.topic)
            return
        try:
            value = parse_command(name, message.payload)
        except CommandError as error:
            self._reject(message, name, error)
            return
        self._pace.submit(
            name,
            lambda: self._run(message, name, value),
            lambda: self._reject(message, name, CommandError(f"a newer {name} command replaced it"), logging.DEBUG),
        )

    def _run(self, message: M, name: str, value: Any) -> None:
        argument = "" if value is None and name != "threshold" else f": {_quote(message.payload)}"
        with self._lock:
            in_flood = self._is_flood()
        log.log(logging.DEBUG if in_flood else logging.INFO, "command %s%s", name, argument)
        try:
            future = self._handlers[name](value)
        except Exception as error:  # noqa: BLE001 - a command must not end the thread that owns the connection
            self._finish(message, name, error, in_flood=in_flood)
            return
        if future is None:
            self._finish(message, name, None, in_flood=in_flood)
        else:
            future.add_done_callback(lambda done: self._finish(message, name, _get_error(done), in_flood=in_flood))

    def _reject(self, message: M, name: str, error: CommandError, level: int = logging.WARNING) -> None:
        """Answer a command that does not run; in a flood, only count it."""
        with self._lock:
            in_flood, answered = self._is_flood(), self._failed.take()
            if not answered:
                self._ignored_in_flood += 1
        if answered:
            if not in_flood:
                log.log(level, "command %s was rejected: %s", name, error)
            self._answer(message, {"ok": False, "error": str(error)})
        elif not in_flood:
            log.warning(
                "too many commands arrive, such as %s, so only the last one of each kind is run; find the client that"
                " sends them to %s",
                name,
                message.topic,
            )

    def _is_flood(self) -> bool:
        """Return whether commands are ignored because there are too many; the caller holds the lock."""
        if self._ignored_in_flood and self._failed.is_full:
            log.info("resolved: %d commands were ignored because there were too many", self._ignored_in_flood)
            self._ignored_in_flood = 0
        return self._ignored_in_flood > 0

    def _log_retained(self, topic: str) -> None:
        if topic not in self._ignored:
            self._ignored.add(topic)
            log.warning(
                "ignored a retained command on %s; clear it, and publish commands without the retain flag", topic
            )

    def _finish(self, message: M, name: str, error: BaseException | None, *, in_flood: bool) -> None:
        response: dict[str, Any]
        if error is None:
            response = {"ok": True}
        elif isinstance(error, ApplianceError):
            log.log(logging.DEBUG if in_flood else logging.WARNING, "command %s was rejected: %s", name, error)
            response = {"ok": False, "error": str(error)}
        else:
            log.error("command %s failed", name, exc_info=error)
            response = {"ok": False, "error": f"{name} failed ({type(error).__name__}); see the device's log"}
        self._answer(message, response)


def parse_command(name: str, payload: bytes) -> Any:
    """Parse a command's payload.

    Args:
        name: The command, one of `Topics.commands`.
        payload: The raw payload.

    Returns:
        threshold: a float from 0 to 1, or None for `default`. running, snapshots, collect: a bool. install: `latest` or
        a version.
        The others: None.

    Raises:
        CommandError: The command does not accept this payload; the message lists the valid ones.
    """
    if len(payload) > _MAX_BYTES:
        raise CommandError(f"the payload of {name} has {len(payload)} bytes; send at most {_MAX_BYTES}")
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise CommandError(f"the payload of {name} is not UTF-8 text") from error
    return _PARSERS.get(name, _check_button)(name, text)


def _parse_threshold(name: str, text: str) -> float | None:
    if text == "default":
        return None
    # Stricter than float(), which also accepts nan, inf, 1_0 and digits of other scripts.
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        value = float(text)
        if 0 <= value <= 1:
            return value + 0.0
    hint = " with a decimal point, not a comma" if "," in text else ""
    raise CommandError(f"{name} must be a number from 0 to 1{hint}, or default, not {_quote(text)}")


def _parse_switch(name: str, text: str) -> bool:
    if text in (SwitchState.ON, SwitchState.OFF):
        return text == SwitchState.ON
    raise CommandError(f"{name} must be {SwitchState.ON} or {SwitchState.OFF}, not {_quote(text)}")


def _parse_install(name: str, text: str) -> str:
    if "/" in text:
        raise CommandError(
            f"{name} must be latest or a version that the configured source offers, never a URL or a path"
        )
    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.!+_:-]{0,99}", text):
        return text
    raise CommandError(f"{name} must be latest or a version, not {_quote(text)}")


def _check_button(name: str, text: str) -> None:
    if text not in ("", "PRESS"):
        raise CommandError(f"{name} must be empty or PRESS, not {_quote(text)}")


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "threshold": _parse_threshold,
    "running": _parse_switch,
    "snapshots": _parse_switch,
    "collect": _parse_switch,
    "install": _parse_install,
}


def _quote(text: str | bytes) -> str:
    """Quote a payload for a message, escaped and shortened."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace").strip()
    more = "…" if len(text) > _QUOTED_CHARACTERS else ""
    return repr(text[:_QUOTED_CHARACTERS]) + more if text else "an empty payload"


def _get_error(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError:
        return CommandError("canceled, because the device is stopping or a newer command replaced it")
