"""When TLS is used, and what its context checks; test_publisher_faults.py tests unusable files with a broker."""

import ssl

import pytest

from appliance.errors import MessagingError
from appliance.messaging.mqtt.tls import create_tls_context, is_tls_wanted
from appliance.settings.schema import MqttSettings
from support.broker import Certificates


def test_tls_is_wanted_when_it_or_a_file_is_set(tmp_path):
    assert not is_tls_wanted(MqttSettings())
    assert is_tls_wanted(MqttSettings(tls=True))
    assert is_tls_wanted(MqttSettings(ca_file=tmp_path / "ca.crt"))


def test_context_checks_certificate_and_host_name(tmp_path):
    context = create_tls_context(MqttSettings(ca_file=Certificates(tmp_path).ca_file))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MessagingError, match=r"mqtt\.ca_file .*missing.crt"):
        create_tls_context(MqttSettings(ca_file=tmp_path / "missing.crt"))
