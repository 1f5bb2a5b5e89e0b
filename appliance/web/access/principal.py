"""Who makes a request, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a token or a session allows: `read` only looks; `admin` also changes the device."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request.

    Attributes:
        key: The hash of the session's id or of the token; never the secret itself.
        scope: What it may do.
        token_name: The name of the token; None for the session of a browser.
    """

    key: str
    scope: Scope
    token_name: str | None = None

    @property
    def is_session(self) -> bool:
        """Whether a cookie identified it, so that another site could have caused the request."""
        return self.token_name is None
