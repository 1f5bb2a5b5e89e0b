"""TLS to the broker, set up anew for each attempt, so that a renewed certificate is used without a restart."""

import ssl
from pathlib import Path

from appliance.errors import MessagingError, describe_os_error
from appliance.settings.schema import MqttSettings


class _SelfClosingSocket(ssl.SSLSocket):
    """Closes itself if the handshake fails, because paho leaves such a socket to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def is_tls_wanted(settings: MqttSettings) -> bool:
    """Return whether the connection is to be encrypted: mqtt.tls or any of the three certificate files is set."""
    return settings.tls or any((settings.ca_file, settings.cert_file, settings.key_file))


def create_tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Create the TLS context of a connection: TLS 1.2 or later, certificate and host name always checked.

    Raises:
        MessagingError: A file cannot be used; the message has its path and the reason.
    """
    for key in ("ca_file", "cert_file", "key_file"):
        if file := getattr(settings, key):
            _check_readable(key, file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise MessagingError(f"mqtt.ca_file {settings.ca_file} contains no certificate in PEM format") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _SelfClosingSocket
    if settings.ca_file:
        # Python 3.13 requires extensions that certificates of a private authority often lack, and that Python 3.11 and
        # other MQTT clients do not require; the signature, the host name and the dates are still checked.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.cert_file and settings.key_file:
        _load_client_certificate(context, settings.cert_file, settings.key_file)
    return context


def _load_client_certificate(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    try:
        # Without an explicit password, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        raise MessagingError(
            f"mqtt.cert_file {cert_file} and mqtt.key_file {key_file} cannot be used together"
            f" ({error.reason or 'not in PEM format, or the key has a passphrase'}); both must be in PEM format, and"
            " the key must match the certificate and have no passphrase"
        ) from error


def _check_readable(key: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise MessagingError(f"mqtt.{key} {file} cannot be read ({describe_os_error(error)})") from error
