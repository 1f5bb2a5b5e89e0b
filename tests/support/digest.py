"""A web page behind Digest authentication (RFC 7616), computed apart from the program's own code."""

import hashlib
import re
from collections.abc import Callable
from typing import Any


class DigestGuard:
    """Lets requests with the right answer through, and counts challenges and granted requests."""

    def __init__(
        self, user: str, password: str, *, algorithm: str | None = None, qop: str | None = "auth", uses: int = 10**9
    ):
        self.user, self.password, self.algorithm, self.qop, self.uses = user, password, algorithm, qop, uses
        self.challenges = self.granted = 0
        self._left: dict[str, int] = {}
        self._counts: set[tuple[str, str]] = set()

    def protect(self, page: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return the page with the guard in front."""

        def guarded(handler: Any) -> None:
            if self._is_right(handler.headers.get("Authorization", ""), handler.path):
                self.granted += 1
                return page(handler)
            self.challenges += 1
            nonce = f"n{self.challenges}"
            self._left[nonce] = self.uses
            challenge = f'Digest realm="a, \\"cam\\"", nonce="{nonce}", opaque="o"'
            challenge += f', qop="{self.qop}"' if self.qop else ""
            challenge += f", algorithm={self.algorithm}" if self.algorithm else ""
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="cam"')
            handler.send_header("WWW-Authenticate", challenge)
            handler.end_headers()
            return None

        return guarded

    def _is_right(self, header: str, path: str) -> bool:
        sent = {
            name: a.replace('\\"', '"') or b
            for name, a, b in re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', header)
        }
        if not header.startswith("Digest ") or sent.get("uri") != path or not self._left.get(sent["nonce"], 0):
            return False
        digest = hashlib.sha256 if (self.algorithm or "").startswith("SHA-256") else hashlib.md5

        def mix(*parts: str) -> str:
            return digest(":".join(parts).encode()).hexdigest()

        secret = mix(self.user, 'a, "cam"', self.password)
        if (self.algorithm or "").endswith("-sess"):
            secret = mix(secret, sent["nonce"], sent["cnonce"])
        proof = (sent["nonce"],)
        if self.qop:
            if (sent["nonce"], sent["nc"]) in self._counts:
                return False  # replayed
            self._counts.add((sent["nonce"], sent["nc"]))
            proof = (sent["nonce"], sent["nc"], sent["cnonce"], "auth")
        if sent["response"] != mix(secret, *proof, mix("GET", path)):
            return False
        self._left[sent["nonce"]] -= 1
        return sent.get("opaque") == "o"
