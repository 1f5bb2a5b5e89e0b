"""Whose certificates are trusted: the system's store, a file, one fingerprint; and the advice when none fits."""

import ssl
import subprocess

import pytest

from appliance.errors import SettingsError
from appliance.transport import trust
from appliance.transport.trust import (
    SYSTEM_TRUST,
    Trust,
    create_tls_client_context,
    describe_certificate_error,
    fetch_fingerprint,
    find_authorities_file,
    has_system_store,
    normalize_fingerprint,
)
from support.broker import Certificates
from support.streams import tls_server


@pytest.fixture
def authority(tmp_path):
    return Certificates(tmp_path / "pki")


@pytest.fixture
def no_store(tmp_path, monkeypatch):
    """Simulate a system without certificate authorities."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none.d"))
    paths = ssl.get_default_verify_paths()._replace(cafile=None, openssl_cafile="/none", capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(trust, "DEBIAN_STORE", "/none")


def connect(port, context, host="localhost"):
    import socket

    with socket.create_connection(("127.0.0.1", port), 3) as plain, context.wrap_socket(plain, server_hostname=host):
        pass


def fault(port, host="localhost", trusted=SYSTEM_TRUST):
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        connect(port, create_tls_client_context(trusted), host)
    return describe_certificate_error(caught.value, host, trusted)


def test_system_store_is_the_default_and_replaces_certifi(authority, monkeypatch):
    with tls_server(*authority.sign("server")) as port:
        assert "authority that this system trusts" in fault(port)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        connect(port, create_tls_client_context())
    assert find_authorities_file() == str(authority.ca_file)


def test_certifi_is_used_only_without_a_system_store(no_store):
    import certifi

    assert not has_system_store()
    assert find_authorities_file() == certifi.where()
    assert create_tls_client_context().cert_store_stats()["x509_ca"] > 50


def test_store_that_cannot_be_examined_is_skipped(monkeypatch):
    # Represents a folder that this user may not search; for root, there is none.
    too_long = "/" + "x" * 300 + "/cert.pem"
    paths = ssl.get_default_verify_paths()._replace(cafile=None, openssl_cafile=too_long)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert trust.find_system_store_file() in (None, trust.DEBIAN_STORE)


def test_file_replaces_the_system_store(authority, tmp_path):
    with tls_server(*authority.sign("server")) as port:
        connect(port, create_tls_client_context(Trust(authority.ca_file)))
    stranger = Certificates(tmp_path / "stranger", "stranger")
    with tls_server(*stranger.sign("server")) as port:
        advice = fault(port, trusted=Trust(authority.ca_file, ca_key="camera.ca_file"))
    assert "not signed by an authority in camera.ca_file" in advice


def test_authority_without_key_usage_is_accepted_everywhere(tmp_path, monkeypatch):
    ca, key = tmp_path / "ca.crt", tmp_path / "ca.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-days", "2", "-subj", "/CN=old authority", "-keyout", key, "-out", ca]
    subprocess.run(make, check=True, capture_output=True)
    assert (
        "Key Usage"
        not in subprocess.run(
            ["openssl", "x509", "-in", ca, "-noout", "-text"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert not create_tls_client_context(Trust(ca)).verify_flags & ssl.VERIFY_X509_STRICT
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert not create_tls_client_context().verify_flags & ssl.VERIFY_X509_STRICT


def test_advice_follows_the_reason(authority):
    trusted = Trust(authority.ca_file, ca_key="mqtt.ca_file")
    with tls_server(*authority.sign("old", days=-1)) as port:
        assert "has expired; renew it" in fault(port, trusted=trusted)
    with tls_server(*authority.sign("elsewhere", hosts=("DNS:other.example",))) as port:
        assert "was not issued for localhost" in fault(port, trusted=trusted)


@pytest.mark.parametrize(
    ("code", "advice"),
    [(9, "not valid yet"), (10, "expired"), (62, "not issued for h"), (79, "keyUsage"), (67, "too weak"), (18, "a.ca")],
)
def test_each_verification_code_has_its_advice(code, advice):
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "reason\nwith a break"
    text = describe_certificate_error(error, "h", Trust(ca_key="a.ca_file"))
    assert advice in text and "\n" not in text


def test_wrong_clock_is_the_reason_before_all_others(monkeypatch):
    monkeypatch.setattr(trust, "is_clock_before_build", lambda: True)
    assert "timedatectl" in describe_certificate_error(ssl.SSLCertVerificationError(1, "x"), "h")


def test_fingerprint_is_that_of_openssl(authority):
    cert, key = authority.sign("server")
    printed = (
        subprocess.run(
            ["openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256"],
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.partition("=")[2]
        .strip()
    )
    with tls_server(cert, key) as port:
        assert fetch_fingerprint("127.0.0.1", port) == printed
    assert fetch_fingerprint("127.0.0.1", 1) is None
    assert normalize_fingerprint(printed) == printed.replace(":", "").lower()
    assert normalize_fingerprint("12:34") is None


def test_unusable_file_is_named_with_its_setting(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("hello")
    for name, reason in (("none", "cannot be read"), ("pipe", "not a regular file"), ("text", "no certificate")):
        with pytest.raises(SettingsError, match=rf"camera\.ca_file .*{name}.*{reason}"):
            create_tls_client_context(Trust(tmp_path / name, ca_key="camera.ca_file"))
