"""The certificate of the page."""

import ssl

from appliance.errors import WebError, describe_os_error
from appliance.settings.schema import WebSettings


def load_certificate(settings: WebSettings) -> ssl.SSLContext | None:
    """Return the TLS context; None without a certificate.

    Raises:
        WebError: The certificate or its key cannot be used.
    """
    if settings.cert_file is None or settings.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except ssl.SSLError as error:
        raise WebError(
            f"{settings.cert_file} and {settings.key_file} are no certificate with its key: {error.reason or error}; "
            "correct web.cert_file and web.key_file"
        ) from error
    except OSError as error:
        raise WebError(
            f"the certificate cannot be read: {describe_os_error(error)}; correct web.cert_file and web.key_file"
        ) from error
    return context
