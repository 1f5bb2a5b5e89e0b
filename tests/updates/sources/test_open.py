"""Test which source the settings open, and what is imported for it."""

import subprocess
import sys

import pytest

from appliance.errors import SourceSettingsError
from appliance.settings.schema import FirebaseSettings, UpdateSettings
from appliance.updates.sources.open import open_source
from support.paths import CHILD_ENVIRONMENT

FIREBASE = {"project_id": "demo", "api_key": "key", "app_id": "1:1:web:1", "model_name": "kitchen"}


def open_one(tmp_path, **settings):
    source = open_source(UpdateSettings(**settings), "device", tmp_path)
    source.close()
    return source


def test_none_is_an_error(tmp_path):
    with pytest.raises(SourceSettingsError, match="no update source"):
        open_one(tmp_path, source="none")


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({"source": "url", "url": "https://user:secret@example.org/m.zip?key=1"}, "https://…@example.org/m.zip"),
        ({"source": "firebase-ml", "firebase": FirebaseSettings(**FIREBASE)}, "kitchen of the Firebase project demo"),
        (
            {"source": "firebase-ml", "firebase": FirebaseSettings(**FIREBASE, remote_config=True)},
            "Remote Config of the Firebase project demo",
        ),
    ],
)
def test_origin_names_the_source_without_secrets(tmp_path, settings, origin):
    found = open_one(tmp_path, **settings).origin
    assert found.endswith(origin.removeprefix("https://…@")) and "secret" not in found and "key=1" not in found


def test_repository_needs_a_root(tmp_path):
    with pytest.raises(SourceSettingsError, match="update.root"):
        open_one(tmp_path, source="repository", url="https://example.org")


def test_url_source_imports_neither_tuf_nor_firebase():
    script = """
import sys
from pathlib import Path
from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.open import open_source
open_source(UpdateSettings(source="url", url="https://example.org/m.zip"), "device", Path(".")).close()
print([name for name in sys.modules if name == "tuf" or "firebase" in name])
"""
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, env=CHILD_ENVIRONMENT, check=True)
    assert result.stdout.strip() == "[]"
