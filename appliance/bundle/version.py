"""Which of two model versions is the greater: by PEP 440, where 1.10 comes after 1.9 and 2.0rc1 before 2.0."""

from packaging.version import InvalidVersion, Version


def is_newer(version: str | None, than: str | None) -> bool:
    """Whether both are versions and the first is the greater; a model without a version is never newer or older."""
    try:
        return version is not None and than is not None and Version(version) > Version(than)
    except InvalidVersion:
        return False
