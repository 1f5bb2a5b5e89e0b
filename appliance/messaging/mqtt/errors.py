"""What is wrong with the broker, in one sentence that says what to do.

A broker says little when it refuses something: a number, a TLS alert, or a closed connection. These functions turn each
into a sentence for the owner of the device. A sentence depends on the condition alone and never on the try, so that
the same condition gives the same words and is logged once. No sentence holds a password.

Numbers are MQTT 5 reason codes (OASIS MQTT 5.0, 2.4); those of 3.1.1 are turned into them by the client library.
"""

import socket
import ssl
from collections.abc import Sequence

from appliance.errors import MessagingError
from appliance.messaging.mqtt.tls import wants_tls
from appliance.settings.schema import MqttSettings

UNSPECIFIED = 0x80
NOT_AUTHORIZED = 0x87
QUOTA_EXCEEDED = 0x97
SESSION_TAKEN_OVER = 0x8E
REFUSED_FROM = 0x80
"""Reason codes from here on say no."""

# OpenSSL's X509_V_ERR_*.
_EXPIRED, _NOT_YET_VALID, _HOST_MISMATCH, _ADDRESS_MISMATCH = 10, 9, 62, 64

_NO_TLS = "does not speak TLS on this port: correct mqtt.port, or set mqtt.tls = false and remove the three files"
_ALERTS = {
    "CERTIFICATE_REQUIRED": "wants a client certificate: set mqtt.cert_file and mqtt.key_file",
    "HANDSHAKE_FAILURE": "refuses the TLS handshake: it may want a client certificate (mqtt.cert_file, mqtt.key_file)",
    "UNKNOWN_CA": "does not know the authority that signed mqtt.cert_file",
    "CERTIFICATE_EXPIRED": "says that mqtt.cert_file has expired: renew it",
    "CERTIFICATE_REVOKED": "says that mqtt.cert_file was revoked: renew it",
    "BAD_CERTIFICATE": "refuses mqtt.cert_file: it is not the certificate that this broker expects",
    "CERTIFICATE_UNKNOWN": "refuses mqtt.cert_file: it is not the certificate that this broker expects",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": "speaks only TLS versions that are no longer safe: it needs TLS 1.2 or later",
    "PROTOCOL_VERSION": "speaks only TLS versions that are no longer safe: it needs TLS 1.2 or later",
}


def connecting(error: Exception, broker: str, settings: MqttSettings) -> str:
    """Why no connection came about.

    Args:
        error: What the attempt raised.
        broker: `host:port`.
        settings: The mqtt section.
    """
    if isinstance(error, MessagingError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, broker, settings)
    if isinstance(error, ssl.SSLError):
        return tls_alert(str(error), broker) or f"TLS with the broker {broker} failed ({error.reason or error})"
    if isinstance(error, socket.gaierror):
        return f"the broker's name {settings.host} is not known ({error.strerror}): check mqtt.host and the network"
    if isinstance(error, ConnectionRefusedError):
        return f"no broker listens at {broker}: start it, or correct mqtt.host and mqtt.port"
    if isinstance(error, TimeoutError):
        return f"nothing answers at {broker}: check mqtt.host, mqtt.port, the network and firewalls"
    if isinstance(error, ConnectionResetError):
        return f"{broker} closed the connection at once: check mqtt.port, and whether the broker speaks TLS there (mqtt.tls)"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return f"the broker {broker} cannot be reached ({reason}): check the network"


def refused_connection(
    code: int, name: str, broker: str, settings: MqttSettings, client_id: str, will: str | None
) -> str:
    """Why the broker answered CONNECT with no.

    Args:
        code: The reason code.
        name: Its name in the standard.
        broker: `host:port`.
        settings: The mqtt section.
        client_id: As it was sent.
        will: The topic of the will, which the broker checks too; None: there is none.
    """
    who = f"the account {settings.username}" if settings.username else "a client without an account"
    if code in (0x01, 0x84):
        other = "3.1.1" if settings.protocol == "5" else "5"
        return f'the broker {broker} does not speak MQTT {settings.protocol}: set mqtt.protocol = "{other}"'
    if code == 0x85:
        return f"the broker {broker} refuses the client id {client_id}: set mqtt.client_id"
    if code in (0x86, 0x8C):
        return f"the broker {broker} refuses {who} ({name}): correct mqtt.username and the file mqtt.password_file"
    if code == NOT_AUTHORIZED:
        right = f", or give it the right to write {will}" if will else ""
        return (
            f"the broker {broker} refuses {who} ({name}): correct mqtt.username and the file mqtt.password_file{right}"
        )
    return f"the broker {broker} refuses the connection ({name})"


def closed_unanswered(broker: str, settings: MqttSettings) -> str:
    """The connection was closed before the broker answered CONNECT, and nothing says why."""
    if settings.cert_file:
        hint = "the file mqtt.cert_file"
    elif wants_tls(settings):
        hint = "whether it wants a client certificate (mqtt.cert_file, mqtt.key_file)"
    else:
        hint = "whether it speaks TLS there (mqtt.tls)"
    return f"{broker} closed the connection without an answer: check mqtt.port, mqtt.protocol and {hint}"


def unanswered(broker: str) -> str:
    """Something accepts connections and does not speak MQTT."""
    return f"{broker} accepts connections and does not answer: check mqtt.port, mqtt.protocol and mqtt.tls"


def lost(code: int, name: str, broker: str) -> str:
    """A connection that worked came to its end."""
    reason = f" ({name})" if code >= REFUSED_FROM and name != "Unspecified error" else ""
    return f"the connection to the broker {broker} was lost{reason}"


def another_client(broker: str, client_id: str) -> str:
    """Two clients with one id throw each other out."""
    return (
        f"another client connects to {broker} with the id {client_id} and takes the connection over: give each device a"
        " device.id or mqtt.client_id of its own"
    )


def flapping(broker: str, client_id: str) -> str:
    """The connection ends soon after it began, again and again; MQTT 3.1.1 does not say why."""
    return (
        f"the broker {broker} closes the connection again and again: another client may use the id {client_id}"
        " (mqtt.client_id), or the broker's log says why"
    )


def refused_topics(topics: Sequence[str], more: bool, why: str, kept: bool) -> str:
    """The broker does not take what is written to some topics.

    Args:
        topics: One or two of them.
        more: There are others.
        why: What the broker said, or did.
        kept: Messages on the first of them are durable.
    """
    which = ", ".join(topics) + " and others" if more else " and ".join(topics)
    waiting = "; events wait in the outbox" if kept else ""
    right = "give this device's account the right to write there"
    return f"the broker does not take what is written to {which} ({why}){waiting}: {right}"


def refused_message(topic: str, name: str) -> str:
    """The broker refuses single messages on a topic that it otherwise takes."""
    return f"the broker refused a message for {topic} ({name}); it is kept and tried again with the next connection"


def refused_subscription(topic: str, name: str) -> str:
    """The broker does not let the device listen."""
    return f"the broker does not let this device read {topic} ({name}): commands there do not arrive"


def too_large(topic: str, size_bytes: int, limit_bytes: int) -> str:
    """A message is larger than the broker takes."""
    return f"a message of {size_bytes} bytes for {topic} is larger than the broker takes ({limit_bytes} bytes) and is not sent"


def tls_alert(said: str, broker: str) -> str | None:
    """The sentence for a TLS alert whose name (of OpenSSL) is in a text; None when there is none."""
    for alert, meaning in _ALERTS.items():
        if alert in said.upper().replace(" ", "_"):
            return f"the broker {broker} {meaning}"
    return None


def _certificate(error: ssl.SSLCertVerificationError, broker: str, settings: MqttSettings) -> str:
    if error.verify_code == _EXPIRED:
        return f"the certificate of the broker {broker} has expired: renew it, or set this device's clock"
    if error.verify_code == _NOT_YET_VALID:
        return f"the certificate of the broker {broker} is not valid yet: this device's clock may be behind"
    if error.verify_code in (_HOST_MISMATCH, _ADDRESS_MISMATCH):
        return f"the certificate of the broker {broker} is not made out to {settings.host}: correct mqtt.host, or the certificate"
    authority = f"mqtt.ca_file ({settings.ca_file})" if settings.ca_file else "the system (set mqtt.ca_file)"
    return f"the certificate of the broker {broker} is not signed by an authority known to {authority}: {error.verify_message}"
