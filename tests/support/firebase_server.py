"""A local server that answers like Firebase Installations, Firebase ML and Remote Config.

    with FirebaseServer() as server:
        server.publish("kitchen", model_bytes)
        server.config = {"entries": {"model_name": "hall"}}
        … server.url() as APPLIANCE_FIREBASE_URL …

The faults of `ModelServer` work here too: any path can be made to answer with a status, break or stall.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from support.model_server import ModelServer, Request, Status, answer_json

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT, KEY, APP = "demo-project", "AIzaDemo", "1:1:web:1"
INSTALLATIONS = f"/v1/projects/{PROJECT}/installations"
FETCH = f"/v1/projects/{PROJECT}/namespaces/firebase:fetch"


def download_path(name: str) -> str:
    """Return the path of the custom-model downloader."""
    return f"/v1beta2/projects/{PROJECT}/models/{name}:download"


def generate_path(fid: str) -> str:
    """Return the path at which an installation requests a token."""
    return f"{INSTALLATIONS}/{fid}/authTokens:generate"


def error(status: int, message: str, **headers: str) -> Status:
    """Return an error in Google's format."""
    return answer_json({"error": {"code": status, "message": message, "status": "SOME_STATUS"}}, status, **headers)


@dataclass
class _Model:
    content: bytes
    etag: str
    file: str


class FirebaseServer(ModelServer):
    """All three services for one project.

    Attributes:
        registered: fid → refresh token.
        tokens: The valid tokens.
        lifetime_s: The lifetime of a token.
        given_fid: The fid in the response to a registration; None for the device's own.
        etag_mark: The suffix of each ETag, as added by a cache that compresses.
        link_lasts_s: The lifetime of a download link; if negative, the link has already expired when it is sent.
        links: The number of links sent.
        fraction: The fraction of the seconds in expireTime.
        extra: Overrides keys of the downloader's response; None removes a key.
        config: Remote Config's response, or a function that makes it from the body of the request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registered: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.lifetime_s = 604_800
        self.given_fid: str | None = None
        self.etag_mark = ""
        self.link_lasts_s = 3600.0
        self.links = 0
        self.fraction = ".123"
        self.extra: dict[str, Any] = {}
        self.config: dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] = {"state": "NO_TEMPLATE"}
        self._models: dict[str, _Model] = {}
        self._expiry: dict[str, float] = {}
        self.route("POST", INSTALLATIONS, self._register)
        self.route("POST", FETCH, self._fetch)

    def publish(self, name: str, content: bytes, etag: str | None = None) -> None:
        """Publish a model, replacing an earlier one."""
        digest = sha256(content).hexdigest()
        file = f"/files/{name}/{digest[:8]}"
        self._models[name] = _Model(content, etag or digest, file)
        self.put(file, content)
        self.route("GET", file, self._file)
        self.route("GET", download_path(name), lambda request: self._download(name, request))

    def expire_links(self) -> None:
        """Expire every link sent so far."""
        self._expiry.clear()

    def forget(self) -> None:
        """Forget all installations and tokens."""
        self.registered.clear()
        self.tokens.clear()

    def _register(self, request: Request) -> Status:
        body = json.loads(request.body)
        if request.headers.get("x-goog-api-key") != KEY:
            return error(403, "API key not valid. Please pass a valid API key.")
        if body["appId"] != APP or body["authVersion"] != "FIS_v2":
            return error(400, "INVALID_ARGUMENT: appId.")
        fid = self.given_fid or body["fid"]
        self.registered[fid] = f"refresh-{len(self.registered)}-{fid}"
        self.route("POST", generate_path(fid), lambda request: self._generate(fid, request))
        name = f"projects/1/installations/{fid}"
        return answer_json({"name": name, "fid": fid, "refreshToken": self.registered[fid], "authToken": self._token()})

    def _generate(self, fid: str, request: Request) -> Status:
        if fid not in self.registered:
            return error(404, "Installation not found.")
        if request.headers.get("authorization") != f"FIS_v2 {self.registered[fid]}":
            return error(401, "Bad refresh token.")
        return answer_json(self._token())

    def _token(self) -> dict[str, str]:
        token = f"token-{time.monotonic_ns()}"
        self.tokens.add(token)
        return {"token": token, "expiresIn": f"{self.lifetime_s}s"}

    def _download(self, name: str, request: Request) -> Status:
        if request.headers.get("x-goog-firebase-installations-auth") not in self.tokens:
            return error(401, "The auth token is not valid.")
        model = self._models[name]
        if request.headers.get("if-none-match") == model.etag:
            return Status(304)
        self.links += 1
        link = f"{model.file}?signature={self.links}"
        expires_s = time.time() + self.link_lasts_s
        self._expiry[link] = expires_s
        moment = datetime.fromtimestamp(int(expires_s), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        said = {
            "downloadUri": self.url(link), "expireTime": f"{moment}{self.fraction}Z",
            "sizeBytes": str(len(model.content)),
            "modelFormat": "TFLITE",
        } | self.extra  # fmt: skip
        return answer_json(
            {key: value for key, value in said.items() if value is not None}, ETag=model.etag + self.etag_mark
        )

    def _file(self, request: Request) -> Status | None:
        if self._expiry.get(request.target, 0) < time.time():
            return Status(400, b"<Error><Code>ExpiredToken</Code></Error>")
        return None  # serve the file itself

    def _fetch(self, request: Request) -> Status:
        body = json.loads(request.body)
        if parse_qs(urlsplit(request.target).query).get("key") != [KEY]:
            return error(403, "The request is missing a valid API key.")
        if body["app_instance_id_token"] not in self.tokens or body["app_instance_id"] not in self.registered:
            return error(401, "The auth token is not valid.")
        said = {"state": "UPDATE", "templateVersion": "1"} | (
            self.config(body) if callable(self.config) else self.config
        )
        etag = f"etag-{PROJECT}-{sha256(json.dumps(said).encode()).hexdigest()[:12]}"
        if request.headers.get("if-none-match") == etag:
            return Status(304, headers={"ETag": etag})
        return answer_json(said, ETag=etag)
