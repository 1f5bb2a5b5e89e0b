"""The sign-in codes, sessions and tokens of one device; secrets are kept only as hashes.

Codes live in memory and end with the process. Sessions and tokens are in one file of the state folder. All secrets are
random and have at least 128 bits, so a plain SHA-256 protects them, and a lookup by hash reveals nothing by its time.
"""

import hashlib
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.errors import WebAccessError, describe_os_error
from appliance.system.state_file import StateFile
from appliance.web.access.principal import Principal, Scope

log = logging.getLogger("appliance.web")

FILE_NAME = "web-access.json"
CODE_LIMIT_S = 600.0
SESSION_LIMIT_S = 30 * 86_400.0
MAX_SESSIONS, MAX_TOKENS, MAX_CODES = 32, 64, 16
# The last use of a session is written at most this often.
_SEEN_EVERY_S = 3600.0
_TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a program: its name, scope, hash, and when it was made (Unix time)."""

    name: str
    scope: Scope
    hash: str
    created_s: float


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: the hash of its id, its scope, and its last use (Unix time)."""

    hash: str
    scope: Scope
    seen_s: float


@dataclass(frozen=True, slots=True)
class _Access:
    tokens: tuple[Token, ...] = ()
    sessions: tuple[Session, ...] = ()


class AccessStore:
    """Make and check secrets. Safe to use from any thread; every change acts at once."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        """Read the file in the state folder.

        Args:
            folder: The state folder.
            clock: Returns Unix time in seconds.
            monotonic: Returns monotonic time in seconds.
        """
        self._file = StateFile(
            folder / FILE_NAME,
            _decode,
            _encode,
            _Access(),
            mode=0o600,
            if_unreadable="everyone must sign in again, and tokens must be made again",
            log=log,
        )
        self._clock, self._monotonic = clock, monotonic
        self._lock = threading.Lock()
        self._access = self._file.read()
        self._codes: dict[str, float] = {}

    def make_code(self) -> str:
        """Return a new sign-in code, which can be used once within 10 minutes."""
        code = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_old_codes()
            while len(self._codes) >= MAX_CODES:
                del self._codes[next(iter(self._codes))]
            self._codes[_hash(code)] = self._monotonic() + CODE_LIMIT_S
        return code

    def redeem_code(self, code: str) -> str | None:
        """Return the id of a new session with the scope admin; None if the code is wrong, used or expired."""
        session_id = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_old_codes()
            if self._codes.pop(_hash(code), None) is None:
                return None
            session = Session(_hash(session_id), Scope.ADMIN, self._clock())
            kept = sorted(self._live_sessions(), key=lambda each: each.seen_s)[-(MAX_SESSIONS - 1) :]
            self._write(replace(self._access, sessions=(*kept, session)))
        return session_id

    def find_session(self, session_id: str) -> Principal | None:
        """Return who a session id belongs to, and prolong the session; None if it is unknown or has expired."""
        key = _hash(session_id)
        with self._lock:
            session = next((each for each in self._live_sessions() if each.hash == key), None)
            if session is None:
                return None
            now_s = self._clock()
            if abs(now_s - session.seen_s) > _SEEN_EVERY_S:
                others = (each for each in self._access.sessions if each.hash != key)
                self._write(replace(self._access, sessions=(*others, replace(session, seen_s=now_s))))
        return Principal(key, session.scope)

    def find_token(self, secret: str) -> Principal | None:
        """Return who a token belongs to; None if it is unknown or revoked."""
        key = _hash(secret)
        token = next((each for each in self._access.tokens if each.hash == key), None)
        return None if token is None else Principal(key, token.scope, token.name)

    def is_valid(self, principal: Principal) -> bool:
        """Return whether a principal may still use the page; open streams ask this again and again."""
        if principal.token_name is not None:
            return any(token.hash == principal.key for token in self._access.tokens)
        return any(session.hash == principal.key for session in self._access.sessions)

    def end_session(self, principal: Principal) -> None:
        """End one session; its open streams end too."""
        with self._lock:
            others = tuple(each for each in self._access.sessions if each.hash != principal.key)
            self._write_for_sure(replace(self._access, sessions=others))

    def end_all_sessions(self) -> int:
        """End every session and discard unused codes; return the number of sessions. Tokens remain."""
        with self._lock:
            count = len(self._live_sessions())
            self._codes.clear()
            self._write_for_sure(replace(self._access, sessions=()))
        return count

    def new_token(self, name: str, scope: Scope) -> str:
        """Make a token and return its secret, which is not kept.

        Raises:
            WebAccessError: The name is invalid or taken, or there are too many tokens.
        """
        if not _TOKEN_NAME.fullmatch(name):
            raise WebAccessError("the name of a token is 1 to 64 letters, digits, dots, hyphens or underscores")
        secret = f"apl_{secrets.token_urlsafe(32)}"
        with self._lock:
            if any(token.name == name for token in self._access.tokens):
                raise WebAccessError(f"there is a token {name} already; revoke it first: appliance web --revoke {name}")
            if len(self._access.tokens) >= MAX_TOKENS:
                raise WebAccessError(
                    f"there are {MAX_TOKENS} tokens already; revoke one first (appliance web --tokens)"
                )
            token = Token(name, scope, _hash(secret), self._clock())
            self._write_for_sure(replace(self._access, tokens=(*self._access.tokens, token)))
        return secret

    def revoke_token(self, name: str) -> None:
        """Revoke a token at once.

        Raises:
            WebAccessError: There is no token with this name.
        """
        with self._lock:
            kept = tuple(token for token in self._access.tokens if token.name != name)
            if len(kept) == len(self._access.tokens):
                raise WebAccessError("there is no token with this name; list them with: appliance web --tokens")
            self._write_for_sure(replace(self._access, tokens=kept))

    def list_tokens(self) -> tuple[Token, ...]:
        """Return the tokens, oldest first."""
        return self._access.tokens

    def _live_sessions(self) -> list[Session]:
        oldest_s = self._clock() - SESSION_LIMIT_S
        return [session for session in self._access.sessions if session.seen_s >= oldest_s]

    def _forget_old_codes(self) -> None:
        now_s = self._monotonic()
        self._codes = {key: end_s for key, end_s in self._codes.items() if end_s > now_s}

    def _write(self, access: _Access) -> None:
        """Use new values at once, and write them if possible."""
        self._access = access
        self._file.write_or_warn(access, "sign-ins are as before after a restart")

    def _write_for_sure(self, access: _Access) -> None:
        """Use new values at once.

        Raises:
            WebAccessError: They cannot be written, so a restart would undo them.
        """
        self._access = access
        try:
            self._file.write(access)
        except OSError as error:
            raise WebAccessError(
                f"{self._file.path} cannot be written ({describe_os_error(error)}), so this ends with a restart; "
                "free disk space, and try again"
            ) from error


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _encode(access: _Access) -> dict[str, Any]:
    return {
        "tokens": [
            {"name": token.name, "scope": token.scope.value, "hash": token.hash, "created_s": token.created_s}
            for token in access.tokens
        ],
        "sessions": [
            {"hash": session.hash, "scope": session.scope.value, "seen_s": session.seen_s}
            for session in access.sessions
        ],
    }


def _decode(data: Any) -> _Access:
    return _Access(
        tuple(
            Token(str(item["name"]), Scope(item["scope"]), str(item["hash"]), float(item["created_s"]))
            for item in data["tokens"]
        ),
        tuple(Session(str(item["hash"]), Scope(item["scope"]), float(item["seen_s"])) for item in data["sessions"]),
    )
