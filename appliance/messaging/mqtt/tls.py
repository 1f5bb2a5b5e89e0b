"""TLS to the broker, set up anew for each attempt, so that a renewed certificate is used without a restart."""

import ssl
from pathlib import Path

from appliance.errors import MessagingError, SettingsError, describe_unreadable
from appliance.settings.schema import MqttSettings
from appliance.transport.trust import Trust, create_tls_client_context


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


def broker_trust(settings: MqttSettings) -> Trust:
    """Return whose certificates are trusted for the broker."""
    return Trust(settings.ca_file, ca_key="mqtt.ca_file")


def create_tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Create the TLS context of a connection: TLS 1.2 or later, certificate and host name always checked.

    Raises:
        MessagingError: A file cannot be used; the message has its path and the reason.
    """
    for key in ("cert_file", "key_file"):
        if file := getattr(settings, key):
            _check_readable(key, file)
    try:
        context = create_tls_client_context(broker_trust(settings))
    except SettingsError as error:
        raise MessagingError(str(error)) from error
    context.sslsocket_class = _SelfClosingSocket
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
        raise MessagingError(f"mqtt.{key}: {describe_unreadable(file, error, is_secret=key == 'key_file')}") from error
