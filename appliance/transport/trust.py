"""Decide whose TLS certificates are trusted: for the broker, network cameras and update servers alike.

The system's certificate store is the default (certifi's list only if there is none); a `ca_file` in the settings
replaces it, and a fingerprint trusts exactly one certificate. Signatures, dates and host names are always checked,
except that a fingerprint replaces all three.

Python 3.13 also requires extensions such as keyUsage (RFC 5280) of an authority. Certificates of private authorities
often lack them, and Python 3.11 and other programs do not require them, so they are not required here either: an
upgrade of Python must not cut a device off.
"""

import hashlib
import os
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import SettingsError, describe_os_error
from appliance.system.clock import is_clock_before_build
from appliance.system.foreign_text import clean_text
from appliance.system.regular_files import read_regular_file

DEBIAN_STORE = "/etc/ssl/certs/ca-certificates.crt"
_MAX_REASON = 120
_ADD_TO_STORE = (
    "copy the authority's certificate to /usr/local/share/ca-certificates/NAME.crt and run: sudo update-ca-certificates"
)
# OpenSSL's codes of verification errors (openssl/x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = (62, 63, 64)
_TOO_WEAK = (66, 67, 68)
_NO_AUTHORITY = (24, 26, 32, 79)  # signed with a certificate that may not sign others, or not for this purpose


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates one part of the program trusts.

    Attributes:
        ca_file: The only authorities that are trusted, in PEM format; None trusts the system's authorities.
        fingerprint: The SHA-256 fingerprint of the only certificate that is trusted, see normalize_fingerprint; None
            checks the certificate as usual.
        ca_key: The setting of `ca_file`, for messages; empty if there is none.
    """

    ca_file: Path | None = None
    fingerprint: str | None = None
    ca_key: str = ""


SYSTEM_TRUST = Trust()


def create_tls_client_context(trust: Trust = SYSTEM_TRUST) -> ssl.SSLContext:
    """Create the TLS context of a client: TLS 1.2 or later; certificate and host name are checked.

    With a fingerprint, the context checks nothing, and the caller must compare the fingerprint after the handshake.

    Raises:
        SettingsError: `trust.ca_file` cannot be read, or contains no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if trust.fingerprint:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif trust.ca_file:
        _load_authorities(context, trust.ca_file, trust.ca_key)
    elif has_system_store():
        context.load_default_certs()
        if store := find_system_store_file():
            context.load_verify_locations(store)
    else:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def find_system_store_file() -> str | None:
    """Return the file of certificate authorities that this system trusts, or None if there is none."""
    paths = ssl.get_default_verify_paths()
    for path in (paths.cafile, paths.openssl_cafile, DEBIAN_STORE):
        # Unlike Path.exists, this is False for a path in a folder that may not be searched.
        if path and os.path.exists(path):  # noqa: PTH110 - see above
            return path
    return None


def has_system_store() -> bool:
    """Return whether this system has certificate authorities, in a file or in a folder."""
    if find_system_store_file():
        return True
    folder = ssl.get_default_verify_paths().capath
    try:
        return folder is not None and any(
            re.fullmatch(r"[0-9a-f]{8}\.\d+", file.name) for file in Path(folder).iterdir()
        )
    except OSError:
        return False


def find_authorities_file(trust: Trust = SYSTEM_TRUST) -> str:
    """Return the file of the trusted authorities, for libraries that read it themselves."""
    if trust.ca_file:
        return str(trust.ca_file)
    if store := find_system_store_file():
        return store
    import certifi

    return certifi.where()


def normalize_fingerprint(text: str) -> str | None:
    """Return a SHA-256 fingerprint as 64 lower-case hex digits, or None if it is not one; colons are optional."""
    digits = text.replace(":", "").strip().lower()
    return digits if re.fullmatch(r"[0-9a-f]{64}", digits) else None


def fetch_fingerprint(host: str, port: int, limit_s: float = 3.0) -> str | None:
    """Return the SHA-256 fingerprint of a server's certificate, with colons; None if the server shows none.

    The certificate is not checked and nothing else is exchanged.
    """
    context = create_tls_client_context(Trust(fingerprint="any"))
    try:
        with (
            socket.create_connection((host, port), timeout=limit_s) as connection,
            context.wrap_socket(connection, server_hostname=host) as encrypted,
        ):
            certificate = encrypted.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return format_fingerprint(certificate) if certificate else None


def format_fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 fingerprint of a certificate in DER format, in the form that openssl prints."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def describe_certificate_error(  # noqa: PLR0911 - one sentence for each kind of error
    error: ssl.SSLCertVerificationError, host: str, trust: Trust = SYSTEM_TRUST
) -> str:
    """Return why a certificate is not trusted and what to do, as the rest of a sentence about the certificate.

    Args:
        error: The error of the handshake.
        host: The host name or address that was connected to.
        trust: What is trusted.
    """
    code = getattr(error, "verify_code", 0)
    reason = clean_text(str(getattr(error, "verify_message", "") or error), _MAX_REASON)
    if is_clock_before_build():
        return f"cannot be checked ({reason}), because this device's clock is wrong; correct it (see timedatectl)"
    if code == _EXPIRED:
        return "has expired; renew it, or correct this device's clock"
    if code == _NOT_YET_VALID:
        return "is not valid yet; correct this device's clock"
    if code in _WRONG_NAME:
        return f"was not issued for {host}; use the name in the certificate, or have it issued for {host}"
    if code in _TOO_WEAK:
        return f"or its authority's uses a key or a signature that is too weak ({reason}); renew it"
    if code in _NO_AUTHORITY:
        return (
            f"is signed with a certificate that may not sign others ({reason}); create the authority's certificate"
            " again, with basicConstraints CA:TRUE and keyUsage keyCertSign"
        )
    if trust.ca_file:
        return (
            f"is not signed by an authority in {trust.ca_key} ({reason}); use the certificate of the authority that"
            f" signed it, not {trust.ca_file}"
        )
    remedy = f"set {trust.ca_key} to the authority's certificate" if trust.ca_key else _ADD_TO_STORE
    return f"is not signed by an authority that this system trusts ({reason}); {remedy}"


def _load_authorities(context: ssl.SSLContext, ca_file: Path, key: str) -> None:
    try:
        read_regular_file(ca_file)
    except (OSError, ValueError) as error:
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        raise SettingsError(f"{key} {ca_file} cannot be read ({reason})") from error
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise SettingsError(f"{key} {ca_file} contains no certificate in PEM format") from error
