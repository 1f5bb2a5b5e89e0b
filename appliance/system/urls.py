"""URLs without credentials, loopback addresses."""

import re


def is_loopback(host: str) -> bool:
    """Whether a host name of a URL means this machine."""
    return host == "localhost" or host == "::1" or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def without_credentials(text: str) -> str:
    """The text with the user name and password of each URL in it blotted out."""
    return re.sub(r"(\w://)[^/@\s]*@", r"\1…@", text)
