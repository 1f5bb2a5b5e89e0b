"""A local server for the operator's side of Firebase ML: an account, a bucket, and models to create and publish.

The same server offers the published models to devices (firebase_server.py).
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.firebase_server import PROJECT, FirebaseServer, error
from support.model_server import Request, Status, answer_json

BUCKET = f"{PROJECT}.firebasestorage.app"
MODELS = f"/v1beta2/projects/{PROJECT}/models"


def upload_path(bucket: str = BUCKET) -> str:
    """Return the path to which a file for a bucket is sent."""
    return f"/upload/storage/v1/b/{bucket}/o"


class FirebaseAdminServer(FirebaseServer):
    """Like FirebaseServer, with the Admin API.

    Attributes:
        uploaded: Bucket and name → bytes.
        published: Model id → the model as the API returns it.
        invalid: The validation error of every model that is created; None if there is none.
        page_size: The number of models per page of the list.
    """

    def __init__(self) -> None:
        super().__init__()
        self.uploaded: dict[str, bytes] = {}
        self.published: dict[str, dict[str, Any]] = {}
        self.invalid: str | None = None
        self.page_size = 1
        self._operations = 0
        token = {"access_token": "a", "expires_in": 3600, "token_type": "Bearer"}
        self.route("POST", "/token", lambda request: answer_json(token))
        self.route("POST", upload_path(), self._upload)
        self.route("GET", MODELS, self._list)
        self.route("POST", MODELS, self._create)

    def account(self, file: Path) -> Path:
        """Write the key of a service account, generated for this test; return the file."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
        values = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": text,
            "client_id": "1",
            "client_email": f"test@{PROJECT}.iam.gserviceaccount.com", "token_uri": self.url("/token"),
        }  # fmt: skip
        file.write_text(json.dumps(values))
        return file

    def _upload(self, request: Request) -> Status:
        boundary = re.search(r"boundary=\"?([^\";]+)", request.headers["content-type"])[1].strip("'").encode()
        _, about, content, _ = request.body.split(b"--" + boundary)
        name = json.loads(about.split(b"\r\n\r\n", 1)[1])["name"]
        self.uploaded[f"{BUCKET}/{name}"] = content.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return answer_json({"name": name, "bucket": BUCKET, "size": str(len(self.uploaded[f"{BUCKET}/{name}"]))})

    def _list(self, request: Request) -> Status:
        start = int(parse_qs(urlsplit(request.target).query).get("page_token", ["0"])[0])
        found = list(self.published.values())[start : start + self.page_size]
        more = {"nextPageToken": str(start + self.page_size)} if start + self.page_size < len(self.published) else {}
        return answer_json({"models": found, **more})

    def _create(self, request: Request) -> Status:
        asked = json.loads(request.body)
        if any(model["displayName"] == asked["displayName"] for model in self.published.values()):
            return error(409, "A model of this name exists.")
        number = f"{len(self.published) + 1}"
        self.published[number] = {"name": f"{MODELS.removeprefix('/v1beta2/')}/{number}", "state": {}}
        self.route("PATCH", f"{MODELS}/{number}", lambda request: self._patch(number, request))
        self.route("GET", f"{MODELS}/{number}", lambda request: answer_json(self.published[number]))
        return self._change(number, asked)

    def _patch(self, number: str, request: Request) -> Status:
        asked = json.loads(request.body)
        if "updateMask=state.published" in request.target:
            model = self.published[number]
            model["state"] = asked["state"]
            self.publish(
                model["displayName"], self.uploaded[model["tfliteModel"]["gcsTfliteUri"].removeprefix("gs://")]
            )
            return answer_json({"done": True, "response": model})
        return self._change(number, asked)

    def _change(self, number: str, asked: dict[str, Any]) -> Status:
        """Change the contents of a model in an operation that is done when it is queried for the second time."""
        model, source = self.published[number], unquote(urlsplit(asked["tfliteModel"]["gcsTfliteUri"]).path)
        model |= {"displayName": asked["displayName"], "tags": asked.get("tags", [])}
        model["tfliteModel"] = {"gcsTfliteUri": f"gs:/{source}", "sizeBytes": 1}
        model["state"] = {"validationError": {"message": self.invalid}} if self.invalid else {"published": False}
        self._operations += 1
        name = f"projects/{PROJECT}/operations/{self._operations}"
        model["activeOperations"] = [{"name": name}]
        kind = "type.googleapis.com/google.firebase.ml.v1beta2.ModelOperationMetadata"
        operation = {"name": name, "metadata": {"@type": kind, "name": model["name"]}}
        asks = []

        def answer(request: Request) -> Status:
            asks.append(request)
            if len(asks) < 2:
                return answer_json(operation)
            model.pop("activeOperations", None)
            return answer_json(operation | {"done": True, "response": model})

        self.route("GET", f"/v1beta2/{name}", answer)
        return answer_json(operation)
