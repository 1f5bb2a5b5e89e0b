"""Commands that came over MQTT: what is a good one, who carries it out, and what is answered.

Anybody with rights at the broker can write anything to a command's topic, so a payload is taken only when it is
exactly one of the few that the contract knows; anything else changes nothing and is answered with a sentence that
says what would be right. A retained command is not carried out: it was meant for a moment that has passed.
Every other command is answered once; where an answer may go is the publisher's part.
"""

import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from appliance.errors import ApplianceError, CommandError
from appliance.messaging.topics import OFF, ON, Topics

log = logging.getLogger(__name__)

# No command is nearly as long as this.
_LONGEST_BYTES = 256
_SHOWN_CHARACTERS = 40

Handler = Callable[[Any], Future[Any] | None]
"""Carries a command out: None means done, a future that the answer comes later; ApplianceError that it was not done."""


class Command(Protocol):
    """A message that came on a command's topic."""

    @property
    def topic(self) -> str:
        """Where it came."""

    @property
    def payload(self) -> bytes:
        """Its content, as somebody wrote it."""

    @property
    def retained(self) -> bool:
        """Whether the broker had kept it."""


class Commands:
    """Carries out the commands for one device."""

    def __init__(self, topics: Topics, handlers: Mapping[str, Handler], answer: Callable[[Any, dict[str, Any]], None]):
        """Args:
        topics: The device's topics.
        handlers: One for each name in `topics.commands`. They get a float or None (threshold), a bool (running),
            `latest` or a version (install), None (the others). They must not block: long work gives a future.
        answer: Sends the answer to a message, `{"ok": true}` or `{"ok": false, "error"}`; called on any thread.
        """
        self._names = {topic: name for name, topic in topics.commands.items()}
        self._handlers = handlers
        self._answer = answer
        self._ignored: set[str] = set()

    def handle(self, message: Command) -> None:
        """Carries out one command, or says why not. Never raises; a topic that is no command's is passed over."""
        name = self._names.get(message.topic)
        if name is None:
            return
        if message.retained:
            self._ignore(message.topic)
            return
        try:
            value = parse(name, message.payload)
            log.info(
                "command %s%s", name, "" if value is None and name != "threshold" else f": {_shown(message.payload)}"
            )
            outcome = self._handlers[name](value)
        except Exception as error:  # noqa: BLE001 - a command must not end the thread that the connection lives on
            self._finish(message, name, error)
            return
        if outcome is None:
            self._finish(message, name, None)
        else:
            outcome.add_done_callback(lambda future: self._finish(message, name, _failure(future)))

    def _ignore(self, topic: str) -> None:
        if topic not in self._ignored:
            self._ignored.add(topic)
            log.warning(
                "a retained message on %s is ignored: commands are for now; clear it, and send without retain", topic
            )

    def _finish(self, message: Command, name: str, error: BaseException | None) -> None:
        if error is None:
            response = {"ok": True}
        elif isinstance(error, ApplianceError):
            log.warning("command %s was not carried out: %s", name, error)
            response = {"ok": False, "error": str(error)}
        else:
            log.error("command %s failed", name, exc_info=error)
            response = {
                "ok": False,
                "error": f"{name} failed for a reason that the device's log tells ({type(error).__name__})",
            }
        self._answer(message, response)


def parse(name: str, payload: bytes) -> Any:
    """The value of a command's payload.

    Args:
        name: The command, one of `Topics.commands`.
        payload: As it came.

    Returns:
        threshold: a float from 0 to 1, or None for `default`. running: a bool. install: `latest` or a version.
        The others: None.

    Raises:
        CommandError: The payload is not one that this command takes; says which are.
    """
    if len(payload) > _LONGEST_BYTES:
        raise CommandError(f"{name} got {len(payload)} bytes, which is more than any command has")
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} got bytes that are not UTF-8 text") from error
    return _PARSERS.get(name, _press)(name, text)


def _threshold(name: str, text: str) -> float | None:
    if text == "default":
        return None
    # Stricter than float(), which also takes nan, inf, 1_0 and digits of other scripts.
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        value = float(text)
        if 0 <= value <= 1:
            return value + 0.0
    hint = ", with a point in it, not a comma" if "," in text else ""
    raise CommandError(f"{name} must be a number from 0 to 1{hint}, or default, not {_shown(text)}")


def _running(name: str, text: str) -> bool:
    if text in (ON, OFF):
        return text == ON
    raise CommandError(f"{name} must be {ON} or {OFF}, not {_shown(text)}")


def _install(name: str, text: str) -> str:
    if "/" in text:
        raise CommandError(f"{name} takes latest or a version that the configured source offers, never a URL or a path")
    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.!+_:-]{0,99}", text):
        return text
    raise CommandError(f"{name} must be latest or a version, not {_shown(text)}")


def _press(name: str, text: str) -> None:
    if text not in ("", "PRESS"):
        raise CommandError(f"{name} must be empty or PRESS, not {_shown(text)}")


_PARSERS: dict[str, Callable[[str, str], Any]] = {"threshold": _threshold, "running": _running, "install": _install}


def _shown(text: str | bytes) -> str:
    """What somebody sent, fit for a sentence: quoted, without control characters, not long."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace").strip()
    return "nothing" if not text else repr(text[:_SHOWN_CHARACTERS]) + ("…" if len(text) > _SHOWN_CHARACTERS else "")


def _failure(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError:
        return CommandError("it was given up, because the device stops or something newer came between")
