"""Find the message that ends the connection, if the broker does not name it.

A broker that does not accept a message may answer with DISCONNECT and any reason, or just close the connection. So all
messages that the broker may not have accepted when a connection ended are suspects: each is sent alone on the next
connection, after everything else. If that connection ends too, this is a strike against the message; a reason in the
DISCONNECT, or several strikes, identify it.
"""

from collections import deque

from appliance.messaging.mqtt import errors

Key = str | int
"""A message: the id of an event in the outbox, or the topic of any other message."""

QUIET_S = 0.05
"""A broker that closes the connection after answering a message does so within this time."""

_STRIKES = 3
_MAX_SENT = 500
_MAX_KEYS = 1000
_SILENT_LOSSES = 2  # a network that fails now and then makes no suspects


class Suspects:
    """The messages that the broker has not confirmed, and those that may have ended a connection."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, Key]] = deque(maxlen=_MAX_SENT)  # unconfirmed, oldest first
        self._fresh: deque[tuple[float, Key]] = deque(maxlen=_MAX_SENT)  # confirmed a moment ago
        self._losses: dict[Key, int] = {}
        self._strikes: dict[Key, int] = {}

    def is_suspect(self, key: Key) -> bool:
        """Return whether a message must be sent alone, after everything else."""
        return key in self._strikes or self._losses.get(key, 0) >= _SILENT_LOSSES

    def note_sent(self, order: int, key: Key) -> None:
        """Note that a message was sent; `order` counts the messages of the connection."""
        self._sent.append((order, key))

    def note_answer(self, order: int, now_s: float) -> None:
        """Note the broker's answer to a message, which confirms all messages before it, too."""
        while self._sent and self._sent[0][0] <= order:
            self._fresh.append((now_s, self._sent.popleft()[1]))
        while self._fresh and now_s - self._fresh[0][0] > QUIET_S:
            self._clear_losses(self._fresh.popleft()[1])

    def clear(self, key: Key) -> None:
        """Clear a message, because the connection survived it."""
        self._losses.pop(key, None)
        self._strikes.pop(key, None)

    def note_loss(self, code: int, now_s: float, *, short: bool) -> Key | None:
        """Note that the connection ended while no message was sent alone.

        Args:
            code: The reason code of the disconnect.
            now_s: Monotonic.
            short: Whether the connection was short.

        Returns:
            The message that caused it, if only one is possible and the broker gave a reason.
        """
        keys: dict[Key, None] = dict.fromkeys(key for _, key in self._sent)
        keys |= dict.fromkeys(key for since_s, key in self._fresh if now_s - since_s <= QUIET_S)
        self.forget_connection()
        if is_blameless(code):
            return None
        if is_reason(code) and len(keys) == 1:
            return next(iter(keys))
        certain = short or len(keys) == 1 or is_reason(code)
        for key in keys:
            count = _SILENT_LOSSES if certain else 1
            self._losses[key] = self._losses.pop(key, 0) + count
        while len(self._losses) > _MAX_KEYS:
            del self._losses[next(iter(self._losses))]
        return None

    def note_strike(self, key: Key, code: int) -> bool:
        """Note that the connection ended while this message was sent alone; return whether it is the cause."""
        self.forget_connection()
        if is_blameless(code):
            return False
        self._strikes[key] = self._strikes.get(key, 0) + 1
        return is_reason(code) or self._strikes[key] >= _STRIKES

    def forget_connection(self) -> None:
        """Forget what was sent on the connection."""
        self._sent.clear()
        self._fresh.clear()

    def _clear_losses(self, key: Key) -> None:
        self._losses.pop(key, None)


def is_blameless(code: int) -> bool:
    """Return whether a reason code means that no message caused the disconnect."""
    return code in errors.NO_FAULT_OF_A_MESSAGE


def is_reason(code: int) -> bool:
    """Return whether a reason code says why, so that a single strike is enough."""
    return code > errors.UNSPECIFIED and not is_blameless(code)
