"""What the broker supports (MQTT 5.0, 3.2.2.3): remembered between connections, because the will depends on it."""

from dataclasses import replace

from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.conditions import ConditionLog
from appliance.messaging.mqtt.message import Connected, Outgoing, Reason


class BrokerLimits:
    """The limits of a broker. Use it on the publisher's thread only, except `build_will`."""

    def __init__(self, broker: str, conditions: ConditionLog):
        """Start with no limits.

        Args:
            broker: `host:port`.
            conditions: Receives what the broker does not support.
        """
        self._broker, self._conditions = broker, conditions
        self._limits = Connected()

    def build_will(self, topic: str, payload: bytes) -> Outgoing:
        """Return the will; a broker refuses the connection if the will asks for more than it supports."""
        limits = self._limits
        return Outgoing(topic, payload, min(1, limits.maximum_qos), limits.retain_available)

    def update(self, limits: Connected) -> None:
        """Remember the limits, and report once what the broker does not support."""
        self._limits = limits
        if not limits.retain_available:
            self._conditions.mention("retain", errors.describe_no_retain(self._broker))
        if not limits.maximum_qos:
            self._conditions.mention("qos", errors.describe_low_qos(self._broker))

    def learn_from_refusal(self, reason: Reason) -> bool:
        """Return whether the broker refused the connection because of the will; the next one asks for less."""
        before = self._limits
        if reason.code == errors.RETAIN_NOT_SUPPORTED:
            self.update(replace(before, retain_available=False))
        elif reason.code == errors.QOS_NOT_SUPPORTED:
            self.update(replace(before, maximum_qos=0))
        return self._limits != before
