"""`appliance publish push --firebase-ml` with Google's own Admin SDK against a server on this machine.

The SDK has many dependencies that nothing else uses, so they are not locked; scripts/install-test-tools installs them
into a separate environment. Without them these tests are skipped.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import PublishError
from appliance.workshop.publishing import firebase_ml
from support import made_models
from support.bundles import bundle_folder
from support.firebase import FirebaseRig, with_labels
from support.firebase_admin_server import BUCKET, MODELS, FirebaseAdminServer, upload_path
from support.firebase_server import PROJECT, error
from support.model_server import Status, answer_json
from support.paths import PYTHON_PATH, ROOT
from support.tiny_bundles import manifest_text
from support.tiny_models import write_tiny

RUN = ROOT / "tests/support/firebase_admin_run.py"


def find_python_with_sdk() -> Path:
    """Return the interpreter that has the Admin SDK."""
    imports = "import firebase_admin, google.cloud.storage, appliance"
    for python in (ROOT / ".venv-firebase/bin/python", Path(sys.executable)):
        if python.exists() and not subprocess.run([python, "-c", imports], cwd=ROOT, capture_output=True).returncode:
            return python
    pytest.skip("Google's Admin SDK is not installed; run scripts/install-test-tools")


@pytest.fixture(scope="module")
def python():
    return find_python_with_sdk()


@pytest.fixture
def server():
    with FirebaseAdminServer() as server:
        yield server


@pytest.fixture
def push(python, server, tmp_path):
    """Run the command with a service account's key."""
    key = server.account(tmp_path / "key.json")

    def run(bundle, *words):
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "APPLIANCE_"))}
        return subprocess.run(
            [python, RUN, server.url(), "publish", "push", bundle, "--firebase-ml", "--credentials", key, *words],
            cwd=ROOT, env={**environ, "STORAGE_EMULATOR_HOST": server.url().rstrip("/"), "PYTHONPATH": PYTHON_PATH},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    return run


def test_bundle_is_published_and_installed_by_a_device(push, server, tmp_path, monkeypatch):
    labels = ("day", "none", "night")
    bundle = bundle_folder(tmp_path / "mine", name="kitchen", version="2.0", labels=labels, backgroundLabel="none")
    done = push(bundle, "--tag", "flowers", "--tag", "beta")
    assert done.returncode == 0, done.stderr
    assert "Firebase project demo-project, model 1, tags flowers, beta" in done.stdout
    assert "left out: version 2.0, backgroundLabel 'none'" in done.stderr and "shut down on 2027-06-15" in done.stderr
    assert "Deprecat" not in done.stderr
    (model,) = server.published.values()
    assert model["state"] == {"published": True} and model["tags"] == ["flowers", "beta"]
    assert [*server.uploaded] == [f"{BUCKET}/Firebase/ML/Models/kitchen.tflite"]

    monkeypatch.setenv("APPLIANCE_FIREBASE_URL", server.url())
    with FirebaseRig(tmp_path / "device", {"model_name": "kitchen"}) as rig:
        rig.check()
        rig.until("committed")
        assert rig.labeler.labels == labels and rig.labeler.identity.name == "kitchen"


def test_second_push_replaces_the_model_and_keeps_its_tags(push, server, tmp_path):
    server.published["1"] = {
        "name": f"projects/{PROJECT}/models/1",
        "displayName": "hall",
        "state": {"published": True},
    }
    assert push(bundle_folder(tmp_path / "old"), "--name", "kitchen", "--tag", "first").returncode == 0
    done = push(bundle_folder(tmp_path / "new", model=made_models.good(7)), "--name", "kitchen", "--json")
    value = json.loads(done.stdout)
    assert (value["created"], value["model_id"], value["tags"]) == (False, "2", ["first"]) and len(
        server.published
    ) == 2
    assert server.uploaded[f"{BUCKET}/Firebase/ML/Models/kitchen.tflite"].startswith(made_models.good(7))


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        (MODELS, error(403, "Firebase ML API is disabled."), "Firebase ML API is disabled"),
        (
            upload_path(),
            Status(404, b"The specified bucket does not exist."),
            "--bucket (older projects: PROJECT.appspot.com)",
        ),
        (
            "/token",
            answer_json({"error": "invalid_grant", "error_description": "Bad signature."}, 400),
            "Bad signature",
        ),
    ],
)
def test_refusal_by_google_is_one_line(push, server, tmp_path, path, answer, message):
    server.fault(path, answer)
    done = push(bundle_folder(tmp_path / "mine"))
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("appliance: ")


def test_invalid_model_is_reported_and_not_published(push, server, tmp_path):
    server.invalid = "Unsupported operator."
    done = push(bundle_folder(tmp_path / "mine"))
    assert done.returncode == 1 and "Unsupported operator" in done.stderr
    assert not any(model["state"].get("published") for model in server.published.values())


def test_invalid_service_account_key_is_reported(push, tmp_path):
    (tmp_path / "no.json").write_text("{}")
    done = push(bundle_folder(tmp_path / "mine"), "--credentials", tmp_path / "no.json")
    assert done.returncode == 1 and "is not a service account key" in done.stderr


def test_bundle_that_crashes_is_not_pushed(push, server, tmp_path):
    done = push(bundle_folder(tmp_path / "mine", model=made_models.crashes()))
    assert done.returncode == 1 and not server.uploaded


# Without the SDK


def test_labels_of_the_bundle_are_embedded(tmp_path):
    bundle = read_bundle(bundle_folder(tmp_path / "mine", labels=("a", "b", "c")))
    file = tmp_path / "out.tflite"
    file.write_bytes(firebase_ml.embed_labels(bundle))
    assert read_bundle(file).labels == ("a", "b", "c")
    assert firebase_ml.embed_labels(read_bundle(file)) == file.read_bytes(), "a file with its labels stays unchanged"


def test_model_with_other_embedded_labels_is_refused(tmp_path):
    folder = bundle_folder(
        tmp_path / "mine", model=with_labels(made_models.good(), "x", "y", "z"), labels=("a", "b", "c")
    )
    with pytest.raises(PublishError, match="labels inside the model differ"):
        firebase_ml.embed_labels(read_bundle(folder))


def test_input_that_the_manifest_states_would_be_lost(tmp_path):
    folder = write_tiny(tmp_path / "float", manifest=manifest_text(inputRange=[0, 255]))
    with pytest.raises(PublishError, match=r"0\.\.255 .*only the \.tflite"):
        firebase_ml.push_to_firebase(folder)
