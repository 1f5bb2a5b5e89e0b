"""Answer a server's request for a user name and a password: Basic (RFC 7617) and Digest (RFC 7616).

A server's challenge is kept, so later requests carry the answer at once, and the password is never sent in the clear to
a server that offers Digest.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from appliance.system.foreign_text import clean_text

# Most secure first.
_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "sha-512-256": lambda data: hashlib.new("sha512_256", data),
    "sha-256": hashlib.sha256,
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
_CHALLENGE = re.compile(r"""\s*,?\s*(?P<scheme>[A-Za-z][\w-]*)(?=\s|,|$)\s*""")
_PARAMETER = re.compile(r"""\s*,?\s*(?P<name>[\w-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]*))""")
_MAX_CHALLENGE_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge of a WWW-Authenticate header: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]

    @property
    def hash_name(self) -> str:
        """The hash of a Digest challenge, in lower case, without `-sess`."""
        return self.parameters.get("algorithm", "MD5").lower().removesuffix("-sess")


class Login:
    """A user name and a password for one server; not safe for use by several threads at a time."""

    def __init__(self, username: str, password: str):
        self._username, self._password = username, password
        self._challenge: Challenge | None = None
        self._count = 0  # of requests with the same nonce

    @property
    def scheme(self) -> str | None:
        """The scheme in use, `basic` or `digest`; None before the first challenge."""
        return self._challenge.scheme if self._challenge else None

    def accept_challenge(self, header: str) -> bool:
        """Take the challenge of a 401 response; return whether repeating the request is useful.

        Args:
            header: The value of WWW-Authenticate; several headers are joined with commas.
        """
        before = self._challenge
        usable = [challenge for challenge in parse_challenges(header) if _is_usable(challenge)]
        if not usable:
            return False
        best = min(usable, key=_rank)
        is_repeated = before is not None and before.scheme == best.scheme
        if is_repeated and (best.scheme == "basic" or before == best):
            return False  # the server already received this answer
        self._challenge, self._count = best, 0
        return True

    def make_header(self, method: str, uri: str) -> str | None:
        """Return the Authorization header of a request; None before the first challenge.

        Args:
            method: The HTTP method.
            uri: The path and the query, exactly as in the request.
        """
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            pair = f"{self._username}:{self._password}".encode()
            return "Basic " + base64.b64encode(pair).decode("ascii")
        self._count += 1
        return self._make_digest(self._challenge, method, uri)

    def _make_digest(self, challenge: Challenge, method: str, uri: str) -> str:
        given = challenge.parameters
        realm, nonce = given.get("realm", ""), given.get("nonce", "")
        client_nonce, count = secrets.token_hex(8), f"{self._count:08x}"

        def digest(*parts: str) -> str:
            return _HASHES[challenge.hash_name](":".join(parts).encode()).hexdigest()

        secret = digest(self._username, realm, self._password)
        if given.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(secret, nonce, client_nonce)
        offered = [item.strip().lower() for item in given.get("qop", "").split(",") if item.strip()]
        qop = "auth" if "auth" in offered else (offered[0] if offered else "")
        request = digest(method, uri, digest("")) if qop == "auth-int" else digest(method, uri)
        proof = (nonce, count, client_nonce, qop) if qop else (nonce,)
        response = digest(secret, *proof, request)
        fields = {"username": self._username, "realm": realm, "nonce": nonce, "uri": uri, "response": response}
        fields |= {"opaque": given["opaque"]} if "opaque" in given else {}
        header = ", ".join(f'{name}="{_escape(value)}"' for name, value in fields.items())
        if "algorithm" in given:
            header += f", algorithm={given['algorithm']}"
        if qop:
            header += f', qop={qop}, nc={count}, cnonce="{client_nonce}"'
        return "Digest " + header


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges in a WWW-Authenticate header; what is not one is skipped."""
    text, at, challenges = header[:_MAX_CHALLENGE_CHARS], 0, []
    while match := _CHALLENGE.match(text, at):
        at, parameters = match.end(), {}
        while item := _PARAMETER.match(text, at):
            quoted = item["quoted"]
            value = item["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[item["name"].lower()] = value
            at = item.end()
        challenges.append(Challenge(match["scheme"].lower(), parameters))
    return challenges


def describe_schemes(header: str) -> str:
    """Return the names of the schemes and hashes that a server offers, for messages."""
    names = [
        f"{each.scheme} with {each.hash_name}" if each.scheme == "digest" else each.scheme
        for each in parse_challenges(header)
    ]
    return clean_text(", ".join(names), 80)


def _is_usable(challenge: Challenge) -> bool:
    return challenge.scheme == "basic" or (challenge.scheme == "digest" and challenge.hash_name in _HASHES)


def _rank(challenge: Challenge) -> int:
    return len(_HASHES) if challenge.scheme == "basic" else list(_HASHES).index(challenge.hash_name)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
