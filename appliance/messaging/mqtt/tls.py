"""TLS towards the broker, made anew for each attempt, so that a renewed certificate is used without a restart."""

import ssl
from pathlib import Path

from appliance.errors import MessagingError
from appliance.settings.schema import MqttSettings


def wants_tls(settings: MqttSettings) -> bool:
    """Whether the connection is to be encrypted: mqtt.tls, or any of the three files is given."""
    return settings.tls or any((settings.ca_file, settings.cert_file, settings.key_file))


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """The context for a connection: certificates are always checked, host names too, TLS 1.2 or later.

    Raises:
        MessagingError: One of the files cannot be used; says which and why.
    """
    for key in ("ca_file", "cert_file", "key_file"):
        if file := getattr(settings, key):
            _check_readable(key, file)
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except ssl.SSLError as error:
        raise MessagingError(f"mqtt.ca_file {settings.ca_file} holds no certificate in PEM form") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca_file:
        # Python 3.13 insists on extensions that certificates of a home-made authority often lack, and that every other
        # MQTT client and Python 3.11 do without. Who signed it, for which host and until when is checked all the same.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if settings.cert_file and settings.key_file:
        try:
            # Without a password given, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except ssl.SSLError as error:
            raise MessagingError(
                f"mqtt.cert_file {settings.cert_file} and mqtt.key_file {settings.key_file} do not work together"
                f" ({error.reason or 'not in PEM form, or the key has a passphrase'}): both must be PEM, the key without a"
                " passphrase and belong to the certificate"
            ) from error
    return context


def _check_readable(key: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise MessagingError(f"mqtt.{key} {file} cannot be read ({error.strerror})") from error
