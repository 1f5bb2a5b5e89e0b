"""Test when TLS is used, what its context checks, and how unusable files and certificates are reported."""

import ssl

import pytest

from appliance.errors import MessagingError
from appliance.messaging.mqtt.tls import create_tls_context, is_tls_wanted
from appliance.settings.schema import MqttSettings
from support.broker import Certificates, Tls, wait_until
from support.publisher import TOPICS, device, event


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


def test_tls_with_a_client_certificate_delivers_under_its_name(tmp_path, new_broker):
    authority = Certificates(tmp_path / "pki")
    server_cert, server_key = authority.sign("server")
    cert, key = authority.sign("pi-test")
    _, _ = authority.sign("eye")
    tls = Tls(authority.ca_file, server_cert, server_key, client_certificates=True)
    acl = "pattern readwrite appliance/%u/#\nuser server\ntopic read #\n"
    broker = new_broker(tls=tls, acl=acl)
    files = {"ca_file": authority.ca_file, "cert_file": cert, "key_file": key}
    with broker.observer() as observer, device(tmp_path, broker, host="localhost", **files) as pi:
        pi.publisher.offer(event(1))
        observer.wait_for(TOPICS.event)
        observer.wait_for(TOPICS.availability, b"online")


def test_each_tls_fault_has_its_sentence(tmp_path, new_broker):
    authority, stranger = Certificates(tmp_path / "pki"), Certificates(tmp_path / "stranger", "stranger")
    good, expired = authority.sign("server"), authority.sign("old", days=-1)
    elsewhere = authority.sign("elsewhere", hosts=("DNS:broker.example",))
    client, foreign = authority.sign("pi-test"), stranger.sign("pi-test")
    ca = {"ca_file": authority.ca_file}
    cases = [
        (good, False, {"ca_file": stranger.ca_file}, "is not signed by an authority in mqtt.ca_file"),
        (good, False, {"tls": True}, "is not signed by an authority that this system trusts"),
        (expired, False, ca, "has expired; renew it, or correct this device's clock"),
        (elsewhere, False, ca, "was not issued for 127.0.0.1"),
        (good, True, ca, "requires a client certificate"),
        (good, True, ca | {"cert_file": foreign[0], "key_file": foreign[1]}, "mqtt.cert_file"),
        (good, False, ca | {"cert_file": client[0], "key_file": foreign[1]}, "cannot be used together"),
        (good, False, {"ca_file": tmp_path / "missing.crt"}, "missing.crt cannot be read (No such file or directory)"),
        (good, False, {"ca_file": good[1]}, "contains no certificate in PEM format"),
        (good, False, {}, "whether it uses TLS on that port (mqtt.tls)"),
        (None, False, {"tls": True}, "uses TLS on that port (mqtt.tls)"),
    ]
    for number, (server, wants_client, settings, sentence) in enumerate(cases):
        tls = Tls(authority.ca_file, *server, client_certificates=wants_client) if server else None
        broker = new_broker(tls=tls)
        with device(tmp_path / str(number), broker, **settings) as pi:
            wait_until(lambda pi=pi: pi.publisher.error, sentence)
            assert sentence in pi.publisher.error
            assert not pi.publisher.connected


def test_renewed_certificate_is_used_without_a_restart(tmp_path, new_broker):
    authority = Certificates(tmp_path / "pki")
    broker = new_broker(tls=Tls(authority.ca_file, *authority.sign("server")))
    used = tmp_path / "ca.crt"
    used.write_bytes(Certificates(tmp_path / "old").ca_file.read_bytes())
    with device(tmp_path, broker, ca_file=used) as pi:
        wait_until(lambda: pi.publisher.error, "refused")
        used.write_bytes(authority.ca_file.read_bytes())
        wait_until(lambda: pi.publisher.connected, "connected with the new file")
        assert pi.publisher.error is None
