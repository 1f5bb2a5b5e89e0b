"""Check and order model versions by PEP 440: 1.10 is newer than 1.9, and 2.0rc1 is older than 2.0."""

from packaging.version import Version


def is_version(text: str) -> bool:
    """Return whether a text is a PEP 440 version without surrounding white space, such as 1.2.0 or 2.0rc1."""
    return _parse(text) is not None and text == text.strip()


def is_newer(version: str | None, than: str | None) -> bool:
    """Return whether both are versions and the first is newer; without a version, a model is never newer."""
    first, second = _parse(version), _parse(than)
    return first is not None and second is not None and first > second


def count_up(version: str) -> str:
    """Return the version after another one, as 1.2.4 after 1.2.3; 1 after what is no version."""
    parsed = _parse(version)
    if parsed is None:
        return "1"
    numbers = [*parsed.release[:-1], parsed.release[-1] + 1]
    epoch = f"{parsed.epoch}!" if parsed.epoch else ""
    return epoch + ".".join(map(str, numbers))


def _parse(text: str | None) -> Version | None:
    if text is None:
        return None
    try:
        return Version(text)
    except ValueError:  # InvalidVersion, or an integer with more digits than Python converts
        return None
