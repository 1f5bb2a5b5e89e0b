"""Google's client of Vertex AI predicts on the page, over HTTPS, with a token in place of Google's credentials."""

import base64
import os
import ssl
import subprocess
import sys

import pytest

from support.web import HOST, WebDevice

pytestmark = pytest.mark.slow

CLIENT = """
import sys
from google.api_core.client_options import ClientOptions
from google.auth.credentials import Credentials
from google.cloud.aiplatform_v1 import PredictionServiceClient
from google.protobuf import json_format, struct_pb2

class Token(Credentials):
    def refresh(self, request):
        self.token = sys.argv[2]

token = Token()
token.token = sys.argv[2]
options = ClientOptions(api_endpoint=sys.argv[1])
client = PredictionServiceClient(credentials=token, client_options=options, transport="rest")
instance = json_format.ParseDict({"content": sys.stdin.read()}, struct_pb2.Value())
parameters = json_format.ParseDict({"confidenceThreshold": 0.0, "maxPredictions": 3}, struct_pb2.Value())
answer = client.predict(endpoint="projects/p/locations/l/endpoints/e", instances=[instance], parameters=parameters)
prediction = dict(answer.predictions[0])
print(answer.deployed_model_id, answer.model_display_name, list(prediction["displayNames"]), list(prediction["ids"]))
"""


def test_vertex_client_gets_its_predictions(tmp_path):
    python = find_client()
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=t", "-addext", f"subjectAltName=IP:{HOST},DNS:localhost"]
    subprocess.run([*command, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    with WebDevice(tmp_path, cert_file=tmp_path / "crt", key_file=tmp_path / "key") as device:
        admin = device.program()
        admin.tls = ssl.create_default_context(cafile=str(tmp_path / "crt"))
        picture = base64.b64encode(admin.get("/api/frame.jpg").body).decode()
        token = admin.headers["Authorization"].removeprefix("Bearer ")
        done = subprocess.run(
            [python, "-c", CLIENT, f"localhost:{device.port}", token], input=picture, text=True, capture_output=True,
            timeout=120, env={"REQUESTS_CA_BUNDLE": str(tmp_path / "crt"), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "flowers" in done.stdout, done.stdout
    assert done.stdout.count("'") >= 12  # three labels with their ids


def find_client() -> str:
    """Return the interpreter that has Google's client, or skip."""
    python = os.environ.get("APPLIANCE_TEST_VERTEX_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import google.cloud.aiplatform_v1"], capture_output=True)
    if found.returncode:
        pytest.skip(
            "google-cloud-aiplatform is not installed (APPLIANCE_TEST_VERTEX_PYTHON names an interpreter with it)"
        )
    return python
