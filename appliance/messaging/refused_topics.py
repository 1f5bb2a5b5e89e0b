"""Topics that the broker does not take: which they are, when they are tried again, and the one sentence about them.

A refused topic is left alone for a while, longer each time, because every further try may cost the connection. It is also
tried again with the first connection after one that had lasted: whoever gives the device its rights often restarts
the broker. A topic counts as refused when the broker says so, or when three connections ended on its trial.
"""

from collections.abc import Callable, KeysView

from appliance.messaging.mqtt import errors as faults

Say = Callable[[str, str | None], None]

_LONGEST_PAUSES = 10  # times the first pause
_SOON_S = 5.0
_STRIKES = 3
_NAMED_AT_MOST = 2


class RefusedTopics:
    """What the broker does not take. Belongs to the publisher's thread."""

    def __init__(self, say: Say, pause_s: float):
        self._say = say
        self._pause_s = pause_s
        self._until_s: dict[str, float] = {}
        self._times: dict[str, int] = {}
        self._known: dict[str, tuple[str, bool]] = {}  # topic → why, and whether its messages are kept
        self._strikes: dict[str, int] = {}
        self._settled = False
        self._refused_at_s = float("-inf")

    @property
    def paused(self) -> KeysView[str]:
        """The topics that are left alone now."""
        return self._until_s.keys()

    def is_suspect(self, topic: str) -> bool:
        """Whether the next message on it has to go alone, because of what happened to earlier ones."""
        return topic in self._known or topic in self._strikes

    def refused(self, topic: str, why: str, now_s: float, durable: bool) -> None:
        """The broker does not take what is written to a topic."""
        if topic not in self._until_s:
            self._times[topic] = times = self._times.get(topic, 0) + 1
            self._until_s[topic] = now_s + self._pause_s * min(2 ** (times - 1), _LONGEST_PAUSES)
        self._refused_at_s = now_s
        self._known.setdefault(topic, (why, durable))
        self._tell()

    def taken(self, topic: str) -> None:
        """The broker took what was written to a topic."""
        if topic in self._known:
            del self._known[topic]
            self._tell()
        self._times.pop(topic, None)

    def passed(self, topic: str) -> None:
        """The trial of a topic is over and the connection stands."""
        self._strikes.pop(topic, None)

    def explain(self, on_trial: str | None, code: int, now_s: float) -> bool:
        """The connection ended, with this reason code, possibly while a topic was on trial.

        Returns:
            Whether a refusal explains it.
        """
        if now_s - self._refused_at_s < _SOON_S:
            self._refused_at_s = float("-inf")
            self._settled = False
            return True
        if on_trial is None or code not in (faults.NOT_AUTHORIZED, faults.UNSPECIFIED):
            return False
        self._strikes[on_trial] = self._strikes.get(on_trial, 0) + 1
        if self._strikes[on_trial] < _STRIKES and code != faults.NOT_AUTHORIZED:
            return False
        self.refused(on_trial, "it closes the connection then", now_s, durable=False)
        self._refused_at_s = float("-inf")
        self._settled = False
        return True

    def settled(self) -> None:
        """A connection has lasted: strikes were chance, and the next connection tries everything."""
        self._strikes.clear()
        self._settled = True

    def due(self, now_s: float) -> list[str]:
        """The topics that are to be tried again now; they are no longer paused."""
        due = [topic for topic, until_s in self._until_s.items() if now_s >= until_s]
        for topic in due:
            del self._until_s[topic]
        return due

    def reconnected(self) -> None:
        """A new connection stands."""
        if self._settled:
            self._until_s.clear()
            self._settled = False

    def _tell(self) -> None:
        if not self._known:
            self._say("topics", None)
            return
        topics = sorted(self._known, key=lambda topic: not self._known[topic][1])  # those that are kept come first
        kept = any(durable for _, durable in self._known.values())
        named, why = topics[:_NAMED_AT_MOST], self._known[topics[0]][0]
        self._say("topics", faults.refused_topics(named, len(topics) > len(named), why, kept))
