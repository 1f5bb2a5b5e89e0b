"""Test the descriptions of broker errors: the fact, the remedy, and never a password."""

import socket
import ssl

import pytest

from appliance.errors import MessagingError
from appliance.messaging.mqtt import errors
from appliance.messaging.mqtt.message import Reason
from appliance.settings.schema import MqttSettings

SETTINGS = MqttSettings(host="broker.example", username="cam")
BROKER = "broker.example:1883"


def certificate_error(code):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "openssl's words"
    return error


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (MessagingError("mqtt.ca_file is missing"), "mqtt.ca_file is missing"),
        (certificate_error(10), "expired; renew it"),
        (certificate_error(9), "clock"),
        (certificate_error(62), "was not issued for broker.example"),
        (certificate_error(18), "openssl's words"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not use TLS"),
        (ssl.SSLError(1, "[SSL: SOMETHING_NEW] something new"), "TLS with the broker"),
        (socket.gaierror(-2, "Name or service not known"), "broker.example cannot be resolved"),
        (ConnectionRefusedError(), "no broker is listening"),
        (TimeoutError(), "no answer from"),
        (ConnectionResetError(), "closed the connection"),
        (OSError(101, "Network is unreachable"), "(Network is unreachable)"),
        (RuntimeError(), "(RuntimeError)"),
    ],
)
def test_connect_error_names_its_cause(error, part):
    assert part in errors.describe_connect_error(error, BROKER, SETTINGS)


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (0x01, 'mqtt.protocol = "3.1.1"'),
        (errors.UNSUPPORTED_VERSION, 'mqtt.protocol = "3.1.1"'),
        (errors.CLIENT_ID_INVALID, "mqtt.client_id"),
        (errors.BAD_CREDENTIALS, "mqtt.password_file"),
        (errors.NOT_AUTHORIZED, "T/availability"),
        (0x88, "Server unavailable"),
    ],
)
def test_refused_connection_names_its_remedy(code, part):
    reason = Reason(code, "Server unavailable" if code == 0x88 else "name")
    assert part in errors.describe_refused_connection(reason, BROKER, SETTINGS, "cam-1", "T/availability")


def test_refused_connection_without_a_will_names_no_topic():
    sentence = errors.describe_refused_connection(Reason(errors.NOT_AUTHORIZED, "n"), BROKER, SETTINGS, "cam-1", None)
    assert "allow" not in sentence
    assert "the account cam" in sentence


def test_closed_connection_hints_at_tls():
    assert "mqtt.tls" in errors.describe_closed_unanswered(BROKER, MqttSettings())
    assert "client certificate" in errors.describe_closed_unanswered(BROKER, MqttSettings(tls=True))


def test_lost_connection_names_a_reason_only_if_there_is_one():
    assert errors.describe_lost(Reason(0x80, "Unspecified error"), BROKER).endswith("was lost")
    assert errors.describe_lost(Reason(0x8B, "Server shutting down"), BROKER).endswith("(Server shutting down)")


def test_refused_topics_are_listed():
    one = errors.describe_refused_topics(["T/event"], "Not authorized", more=False, durable=True)
    assert "T/event (Not authorized), so events wait in the outbox" in one
    many = errors.describe_refused_topics(["T/a", "T/b"], "why", more=True, durable=False)
    assert "T/a, T/b and others (why)" in many
    assert "outbox" not in many


def test_tls_alert_is_found_in_any_text():
    alert = "('tlsv1 alert certificate required')"
    assert "mqtt.cert_file" in (errors.describe_tls_alert(alert, BROKER) or "")
    assert errors.describe_tls_alert("something else", BROKER) is None
