"""Describe why a connection failed, for the person who has to act."""

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from appliance.system.foreign_text import clean_text
from appliance.system.urls import redact
from appliance.transport.trust import SYSTEM_TRUST, Trust, describe_certificate_error

TRANSPORT_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)

_MAX_REASON = 120
_CONNECT_TIMEOUTS = (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)
_READ_TIMEOUTS = (TimeoutError, urllib3.exceptions.ReadTimeoutError, requests.Timeout)


def describe_connection_error(
    error: Exception, url: str, connect_s: float, silence_s: float, trust: Trust = SYSTEM_TRUST
) -> str:
    """Describe why a request failed, in one sentence.

    Args:
        error: One of TRANSPORT_ERRORS.
        url: The address of the request; only its host and path appear in the text.
        connect_s: The time limit for connecting.
        silence_s: The time limit between two bytes.
        trust: Whose certificates are trusted.
    """
    address, causes = redact(url), list(iterate_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            fault = describe_certificate_error(cause, urlsplit(url).hostname or "", trust)
            return f"no secure connection to {address}: its certificate {fault}"
        if isinstance(cause, ssl.SSLError):
            return f"no secure connection to {address}: {_describe_tls_error(cause)}"
        if isinstance(cause, urllib3.exceptions.SSLError) and "ingerprint" in str(cause):
            fault = "is not the one with the fingerprint in the settings; check whether the certificate was renewed"
            return f"no secure connection to {address}: its certificate {fault}"
    last = causes[-1]
    descriptions: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (socket.gaierror, f"{address} cannot be found; check the network and the host name"),
        (ConnectionRefusedError, f"{address} refuses the connection; check that the server is running"),
        (_CONNECT_TIMEOUTS, f"{address} was not reached within {connect_s:g} s"),
        (_READ_TIMEOUTS, f"{address} sent nothing for {silence_s:g} s"),
        (urllib3.exceptions.IncompleteRead, f"{address} ended the connection before everything was sent"),
    )
    for kinds, description in descriptions:
        if any(isinstance(cause, kinds) for cause in causes):
            return description
    reason = clean_text(str(getattr(last, "strerror", None) or last or type(last).__name__), _MAX_REASON)
    return f"the connection to {address} was lost: {reason}"


def is_timeout(error: Exception) -> bool:
    """Return whether a connection error means that the server did not answer in time."""
    causes = list(iterate_causes(error))
    # In some versions of urllib3, every failure to connect is a ConnectTimeoutError.
    is_other_fault = any(isinstance(cause, (urllib3.exceptions.NewConnectionError, ssl.SSLError)) for cause in causes)
    return not is_other_fault and any(isinstance(cause, (*_READ_TIMEOUTS, *_CONNECT_TIMEOUTS)) for cause in causes)


def _describe_tls_error(error: ssl.SSLError) -> str:
    reason = str(getattr(error, "reason", None) or error)
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it does not use TLS on this port; check the port, or use http:// where that is allowed"
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"):
        return "it supports only TLS versions that are no longer secure; enable TLS 1.2 or later on it"
    return clean_text(reason, _MAX_REASON)


def iterate_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and everything that caused it, the root cause last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def is_file_error(error: Exception) -> bool:
    """Return whether an error came from a file; only file errors have a file name or these numbers."""
    if not isinstance(error, OSError) or isinstance(error, requests.RequestException):
        return False
    return error.filename is not None or error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EROFS,
        errno.EIO,
    )
