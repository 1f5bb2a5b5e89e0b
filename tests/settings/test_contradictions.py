"""Settings that conflict with each other are reported with both."""

import dataclasses
from pathlib import Path

import pytest

from appliance.settings.contradictions import find_contradiction
from appliance.settings.schema import (
    CameraSettings,
    CollectSettings,
    FirebaseSettings,
    LabelerSettings,
    MqttSettings,
    Settings,
    UpdateSettings,
    WebSettings,
)


def test_defaults_agree_with_each_other():
    assert find_contradiction(Settings()) is None


@pytest.mark.parametrize(
    ("settings", "key", "other"),
    [
        (Settings(labeler=LabelerSettings(allow=("a",), deny=("b",))), "labeler.deny", "labeler.allow"),
        (Settings(mqtt=MqttSettings(password_file=Path("p"))), "mqtt.password_file", "mqtt.username"),
        (Settings(mqtt=MqttSettings(key_file=Path("k"))), "mqtt.key_file", "mqtt.cert_file"),
        (Settings(web=WebSettings(cert_file=Path("c"))), "web.cert_file", "web.key_file"),
        (Settings(camera=CameraSettings(password_file=Path("p"))), "camera.password_file", "camera.username"),
        (Settings(camera=CameraSettings(tls_fingerprint="0" * 64)), "camera.tls_fingerprint", "camera.source"),
        (
            Settings(camera=CameraSettings(tls_fingerprint="0" * 64, ca_file=Path("c"))),
            "camera.tls_fingerprint",
            "camera.ca_file",
        ),
        (Settings(collect=CollectSettings(score_min=0.8, score_max=0.7)), "collect.score_min", "collect.score_max"),
        (Settings(update=UpdateSettings(source="repository", url="https://a")), "update.source", "update.root"),
        (
            Settings(update=UpdateSettings(firebase=FirebaseSettings(android_package="p"))),
            "update.firebase.android_package",
            "update.firebase.android_cert",
        ),
    ],
)
def test_conflict_is_reported_with_both_settings(settings, key, other):
    contradiction = find_contradiction(settings)
    assert contradiction.key == key
    assert other in contradiction.reason


def test_remote_config_may_give_the_models_name():
    project = FirebaseSettings(project_id="p", api_key="k", app_id="1:2:web:3", remote_config=True)
    assert find_contradiction(Settings(update=UpdateSettings(source="firebase-ml", firebase=project))) is None
    without = dataclasses.replace(project, app_id=None)
    update = UpdateSettings(source="url", url="https://a/m.zip", firebase=without)
    assert "update.firebase.app_id" in find_contradiction(Settings(update=update)).reason


@pytest.mark.parametrize(
    ("update", "is_allowed"),
    [
        ({"source": "repository", "url": "http://nas.lan/models", "allow_http": True}, True),
        ({"source": "repository", "url": "http://nas.lan/models"}, False),
        ({"source": "url", "url": "http://192.168.1.5/m.zip", "allow_http": True}, False),
        ({"source": "url", "url": "http://127.0.0.1/m.zip"}, True),
    ],
)
def test_http_is_only_for_signed_repositories(update, is_allowed):
    contradiction = find_contradiction(Settings(update=UpdateSettings(root=Path("root.json"), **update)))
    assert (contradiction is None) == is_allowed
    assert is_allowed or (contradiction.key == "update.url" and "update.allow_http" in contradiction.reason)
