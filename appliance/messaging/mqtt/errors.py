"""Describe problems with the broker, each in one sentence that ends with the remedy.

A broker explains little when it refuses something: it sends a number or a TLS alert, or it closes the connection. These
functions turn each of these into a sentence for the owner of the device. The sentence depends only on the condition,
never on the attempt, so that a lasting condition is logged once. No sentence contains a password.

Numbers are MQTT 5 reason codes (OASIS MQTT 5.0, 2.4); the client library converts MQTT 3.1.1 return codes to them.
"""

import socket
import ssl
from collections.abc import Sequence

from appliance.errors import MessagingError
from appliance.messaging.mqtt.message import INVALID_PACKET_CODE, Reason
from appliance.messaging.mqtt.tls import broker_trust, is_tls_wanted
from appliance.settings.schema import MqttSettings
from appliance.system.foreign_text import clean_text
from appliance.transport.trust import describe_certificate_error

UNSPECIFIED = 0x80
UNSUPPORTED_VERSION = 0x84
CLIENT_ID_INVALID = 0x85
BAD_CREDENTIALS = 0x86
NOT_AUTHORIZED = 0x87
BAD_METHOD = 0x8C
SESSION_TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95
QUOTA_EXCEEDED = 0x97
RETAIN_NOT_SUPPORTED = 0x9A
QOS_NOT_SUPPORTED = 0x9B

NO_FAULT_OF_A_MESSAGE = frozenset({0x89, 0x8B, 0x8D, SESSION_TAKEN_OVER, 0x9C, 0x9D, 0x9F, 0xA0, INVALID_PACKET_CODE})
"""Reasons for a disconnect that have nothing to do with a message: the broker is busy, shuts down or moves, the client
was silent or replaced, connections are limited, or the broker sent an invalid packet."""

_LONGEST_CAUSE = 200  # characters of an error's text

_REFUSED_VERSION_3 = 0x01  # the MQTT 3.1.1 CONNACK code, which the client library may pass on unconverted

_NO_TLS = (
    "does not use TLS on this port; correct mqtt.port, or set mqtt.tls = false and remove mqtt.ca_file,"
    " mqtt.cert_file and mqtt.key_file"
)
_OLD_TLS = "supports only TLS versions that are no longer secure; enable TLS 1.2 or later on it"
_WRONG_CERTIFICATE = "rejects mqtt.cert_file; use the certificate that this broker expects"
_ALERTS = {
    "CERTIFICATE_REQUIRED": "requires a client certificate; set mqtt.cert_file and mqtt.key_file",
    "HANDSHAKE_FAILURE": "rejects the TLS handshake; if it requires a client certificate, set mqtt.cert_file and"
    " mqtt.key_file",
    "UNKNOWN_CA": "does not trust the authority that signed mqtt.cert_file; use a certificate from one that it trusts",
    "CERTIFICATE_EXPIRED": "reports that mqtt.cert_file has expired; renew it",
    "CERTIFICATE_REVOKED": "reports that mqtt.cert_file was revoked; renew it",
    "BAD_CERTIFICATE": _WRONG_CERTIFICATE,
    "CERTIFICATE_UNKNOWN": _WRONG_CERTIFICATE,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "PROTOCOL_VERSION": _OLD_TLS,
}


def describe_connect_error(  # noqa: PLR0911 - one sentence for each kind of error
    error: Exception, broker: str, settings: MqttSettings
) -> str:
    """Describe why the connection failed.

    Args:
        error: The exception that the attempt raised.
        broker: `host:port`.
        settings: The mqtt section.
    """
    match error:
        case MessagingError():
            return str(error)
        case ssl.SSLCertVerificationError():
            fault = describe_certificate_error(error, settings.host, broker_trust(settings))
            return f"the certificate of the broker {broker} {fault}"
        case ssl.SSLError():
            reason = getattr(error, "reason", None) or error  # only errors of OpenSSL have the attribute
            return (
                describe_tls_alert(str(error), broker)
                or f"TLS with the broker {broker} failed ({reason}); check the broker's TLS settings"
            )
        case socket.gaierror():
            return (
                f"the broker's host name {settings.host} cannot be resolved ({error.strerror}); check mqtt.host and"
                " the network"
            )
        case ConnectionRefusedError():
            return f"no broker is listening at {broker}; start it, or correct mqtt.host and mqtt.port"
        case TimeoutError():
            return f"no answer from {broker}; check mqtt.host, mqtt.port, the network and firewalls"
        case ConnectionResetError():
            return (
                f"{broker} closed the connection immediately; check mqtt.port, and whether the broker uses TLS on that"
                " port (mqtt.tls)"
            )
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return f"the broker {broker} cannot be reached ({clean_text(cause, _LONGEST_CAUSE)}); check the network"


def describe_refused_connection(
    reason: Reason, broker: str, settings: MqttSettings, client_id: str, will_topic: str | None
) -> str:
    """Describe why the broker refused CONNECT.

    Args:
        reason: The reason in the broker's CONNACK.
        broker: `host:port`.
        settings: The mqtt section.
        client_id: The client id that was sent.
        will_topic: The topic of the will, which the broker also checks; None if there is none.
    """
    account = f"the account {settings.username}" if settings.username else "a client without an account"
    if reason.code in (_REFUSED_VERSION_3, UNSUPPORTED_VERSION):
        other = "3.1.1" if settings.protocol == "5" else "5"
        return f'the broker {broker} does not support MQTT {settings.protocol}; set mqtt.protocol = "{other}"'
    if reason.code == CLIENT_ID_INVALID:
        return f"the broker {broker} refuses the client id {client_id}; set mqtt.client_id"
    if reason.code in (BAD_CREDENTIALS, BAD_METHOD, NOT_AUTHORIZED):
        grant = f", or allow it to write to {will_topic}" if will_topic and reason.code == NOT_AUTHORIZED else ""
        return (
            f"the broker {broker} refuses {account} ({reason.name}); correct mqtt.username and the file"
            f" mqtt.password_file{grant}"
        )
    return f"the broker {broker} refuses the connection ({reason.name}); see the broker's log"


def describe_closed_unanswered(broker: str, settings: MqttSettings) -> str:
    """Describe a connection that was closed without a reason before the broker answered CONNECT."""
    if settings.cert_file:
        hint = "the file mqtt.cert_file"
    elif is_tls_wanted(settings):
        hint = "whether it requires a client certificate (mqtt.cert_file, mqtt.key_file)"
    else:
        hint = "whether it uses TLS on that port (mqtt.tls)"
    return f"{broker} closed the connection without an answer; check mqtt.port, mqtt.protocol and {hint}"


def describe_unanswered(broker: str) -> str:
    """Describe a server that accepts connections but does not answer in MQTT."""
    return f"{broker} accepts connections but does not answer; check mqtt.port, mqtt.protocol and mqtt.tls"


def describe_lost(reason: Reason, broker: str) -> str:
    """Describe the loss of an established connection."""
    why = f" ({reason.name})" if reason.is_error and reason.name != "Unspecified error" else ""
    return f"the connection to the broker {broker} was lost{why}"


def describe_takeover(broker: str, client_id: str, device: str) -> str:
    """Describe two clients with the same id, each of which disconnects the other."""
    return (
        f"another client connects to {broker} with the id {client_id} and takes over the connection; give each daemon"
        f" its own device.id{_also_client_id(client_id, device)}"
    )


def describe_flapping(broker: str, client_id: str, device: str) -> str:
    """Describe connections that keep ending early, for which MQTT 3.1.1 gives no reason."""
    return (
        f"the broker {broker} keeps closing the connection; check whether another client uses the id {client_id} (give"
        f" each daemon its own device.id{_also_client_id(client_id, device)}), otherwise see the broker's log"
    )


def describe_second_writer(topic: str) -> str:
    """Describe a second daemon with the same device id, which uses another client id."""
    return (
        f"a second daemon writes to {topic}, so both publish as the same device; give each daemon its own device.id and"
        " its own state folder"
    )


def _also_client_id(client_id: str, device: str) -> str:
    """Mention mqtt.client_id only if it is set, because two daemons with one device.id write the same topics."""
    return "" if client_id == f"appliance-{device}" else ", and remove mqtt.client_id from their settings"


def describe_refused_topics(topics: Sequence[str], why: str, *, more: bool, durable: bool, size_bytes: int = 0) -> str:
    """Describe topics to which the broker accepts no messages.

    Args:
        topics: One or two of the topics.
        why: The broker's reason, or what the broker does instead.
        more: Whether there are more such topics.
        durable: Whether messages to any of them are durable.
        size_bytes: The size of the message if it may be the reason, else 0.
    """
    names = ", ".join(topics) + " and others" if more else " and ".join(topics)
    waiting = ", so events wait in the outbox" if durable else ""
    remedy = "allow this device's account to write there"
    if size_bytes:
        remedy += f", and messages of {size_bytes} bytes"
    return f"the broker does not accept messages to {names} ({why}){waiting}; {remedy}"


def describe_refused_message(topic: str, reason: Reason) -> str:
    """Describe the refusal of one durable message to a topic that the broker otherwise accepts."""
    return f"the broker refused a message to {topic} ({reason.name}); it is sent again after a pause"


def describe_set_aside(topic: str, size_bytes: int, why: str) -> str:
    """Describe a durable message that ended the connection; `why` is the broker's reason, empty if it gave none."""
    return (
        f"the broker closes the connection when it receives one of the messages to {topic} ({size_bytes} bytes;"
        f" {why or 'no reason given'}), so that message is set aside and tried again later; see the broker's log, and"
        " its limit for the size of a message"
    )


def describe_silence(broker: str, silent_s: float) -> str:
    """Describe a broker that answers pings but acknowledges nothing."""
    return (
        f"the broker {broker} has acknowledged nothing for {silent_s:.0f} s, so the device connects again; see the"
        " broker's log and its disk"
    )


def describe_arrival(topic: str, size_bytes: int, limit_bytes: int) -> str:
    """Describe a message from the broker that is too large to be read; `topic` is empty if it is unknown."""
    where = f" on {topic}" if topic else ""
    return (
        f"a message of {size_bytes} bytes{where} is larger than this device accepts ({limit_bytes} bytes), so the"
        " connection was closed; find the client that sends it, and set message_size_limit in the broker"
    )


def describe_no_retain(broker: str) -> str:
    """Describe a broker that keeps no retained messages."""
    return (
        f"the broker {broker} keeps no retained messages, so a client that connects later does not see the state of"
        " this device; events are delivered"
    )


def describe_low_qos(broker: str) -> str:
    """Describe a broker that accepts only QoS 0."""
    return (
        f"the broker {broker} accepts messages with QoS 0 only, so an event can be lost when the connection breaks; use"
        " a broker that supports QoS 1"
    )


def describe_refused_subscription(topic: str, reason: Reason) -> str:
    """Describe a subscription that the broker refused."""
    return (
        f"the broker does not let this device read {topic} ({reason.name}), so messages there do not arrive; allow this"
        " device's account to read it"
    )


def describe_oversized(topic: str, size_bytes: int, limit_bytes: int) -> str:
    """Describe a message that is larger than the broker accepts."""
    return (
        f"a message of {size_bytes} bytes to {topic} exceeds the broker's limit ({limit_bytes} bytes) and is not sent;"
        " raise the broker's limit"
    )


def describe_tls_alert(text: str, broker: str) -> str | None:
    """Describe the TLS alert whose OpenSSL name occurs in `text`; return None if there is none."""
    for alert, meaning in _ALERTS.items():
        if alert in text.upper().replace(" ", "_"):
            return f"the broker {broker} {meaning}"
    return None
