"""Test models from Firebase ML and the choices of Remote Config against a server that answers like Google's."""

import json
import time

import pytest

from appliance.errors import SourceError, SourceGoneError, SourceSettingsError, UpdateError
from appliance.settings.schema import FirebaseSettings, UpdateSettings
from appliance.transport.http import Http
from appliance.updates.firebase.installation import Installation
from appliance.updates.sources.firebase_ml import FirebaseMlSource
from support import made_models
from support.broker import wait_until
from support.bundles import bundle_folder
from support.firebase import PROJECT_SETTINGS, FirebaseRig, with_labels
from support.firebase_server import FETCH, INSTALLATIONS, FirebaseServer, download_path, error
from support.model_server import Body, HangUp, Longer, ModelServer, Stall, Status, Truncate
from support.signed_site import Operator

PATH = download_path("kitchen")
LABELED = with_labels(made_models.good(1), "red", "green", "blue")


@pytest.fixture
def server(monkeypatch):
    with FirebaseServer() as server:
        monkeypatch.setenv("APPLIANCE_FIREBASE_URL", server.url())
        yield server


@pytest.fixture
def new_rig(tmp_path, server):
    rigs = []

    def make(model_name="kitchen", remote_config=False, **more):
        firebase = {"model_name": model_name, "remote_config": remote_config}
        rigs.append(FirebaseRig(tmp_path / f"device-{len(rigs)}", firebase, **more))
        rigs[-1].start()
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()


def files_asked(server):
    return [request for request in server.requests if request.path.startswith("/files/")]


def asked_info(server):
    return [request.status for request in server.asked(PATH)]


# What is installed


def test_published_model_is_installed_check_is_one_request(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig()
    assert rig.check()["taken"]
    done = rig.until("committed")
    assert rig.labeler.identity.name == "kitchen" and rig.labeler.labels == ("red", "green", "blue")
    assert done.version == rig.labeler.identity.version == f"sha256:{rig.labeler.identity.sha256[:12]}"
    before = len(server.requests)
    assert rig.check()["current"] and rig.check()["current"]
    assert [request.status for request in server.requests[before:]] == [304, 304]
    request = server.requests[-1]
    assert request.headers["x-goog-api-key"] == "AIzaDemo"
    assert request.headers["x-goog-firebase-installations-auth"] in server.tokens


def test_the_file_is_asked_for_without_key_or_token(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig()
    rig.check()
    rig.until("committed")
    (request,) = files_asked(server)
    assert not [name for name in request.headers if name.startswith("x-")]


def test_another_model_under_the_same_name_is_taken(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig()
    rig.check()
    first = rig.until("committed").sha256
    server.publish("kitchen", with_labels(made_models.good(2), "red", "green", "blue"))
    assert rig.check()["taken"]
    assert rig.until("committed", 2).sha256 == rig.labeler.identity.sha256 != first


def test_running_model_is_not_fetched_after_restart(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig()
    rig.check()
    rig.until("committed")
    rig.restart()
    assert rig.check()["current"] and len(files_asked(server)) == 1 and len(server.registered) == 1


def test_mark_of_a_compressing_cache_is_not_part_of_the_etag(new_rig, server):
    server.publish("kitchen", LABELED, etag='"abc"')
    rig = new_rig()
    rig.check()
    rig.until("committed")
    server.publish("kitchen", LABELED, etag='"abc')
    server.etag_mark = '--gzip"'
    assert rig.check()["current"] and asked_info(server)[-1] == 200
    server.publish("kitchen", LABELED, etag='"abc"')
    assert rig.check()["current"] and asked_info(server)[-1] == 304, "it is requested without the suffix"


@pytest.mark.parametrize("fraction", ["", ".5", ".123456789"])
def test_a_time_with_and_without_a_fraction_is_read(new_rig, server, fraction):
    server.fraction, server.link_lasts_s = fraction, -60
    server.publish("kitchen", LABELED)
    rig = new_rig()
    rig.check()
    rig.until("failed")
    assert server.links == 3, "its expiry was parsed"


# Labels


def test_a_model_without_labels_gets_those_of_the_running_one(new_rig, server, tmp_path):
    server.publish("kitchen", made_models.good(3))
    installed = bundle_folder(
        tmp_path / "first", labels=("day", "none", "night"), backgroundLabel="none", confidenceThreshold=0.9
    )
    rig = new_rig(installed=installed)
    rig.check()
    rig.until("committed")
    bundle = rig.labeler.bundle
    assert (bundle.labels, bundle.background_label, bundle.confidence_threshold) == (
        ("day", "none", "night"),
        "none",
        None,
    )
    assert bundle.identity.name == "kitchen"


def test_background_label_stays_with_the_same_labels(new_rig, server, tmp_path):
    labels = ("day", "none", "night")
    server.publish("kitchen", with_labels(made_models.good(3), *labels))
    rig = new_rig(installed=bundle_folder(tmp_path / "first", labels=labels, backgroundLabel="none"))
    rig.check()
    rig.until("committed")
    assert rig.labeler.bundle.background_label == "none"
    server.publish("kitchen", with_labels(made_models.good(4), "day", "dusk", "none"))
    rig.check()
    rig.until("committed", 2)
    assert rig.labeler.bundle.background_label is None


def test_labels_in_the_model_win(new_rig, server, tmp_path):
    server.publish("kitchen", with_labels(made_models.good(3), "a", "b", "c"))
    rig = new_rig(installed=bundle_folder(tmp_path / "first", labels=("day", "none", "night")))
    rig.check()
    rig.until("committed")
    assert rig.labeler.labels == ("a", "b", "c")


def test_unlabeled_model_with_other_outputs_is_refused(new_rig, server, data):
    server.publish("kitchen", (data / "models/automl_mlkit_android/model.tflite").read_bytes())
    rig = new_rig()
    rig.check()
    refused = rig.until("refused")
    assert (
        "its 5 outputs do not match the 3 labels of the running model shipped 1.0" in refused.reason
        and "metadata" in refused.reason
    )
    assert not rig.check()["taken"], "it is not tried again"


def test_what_is_no_model_is_refused(new_rig, server):
    server.publish("kitchen", b"<!doctype html><title>Sign in</title>")
    rig = new_rig()
    rig.check()
    assert "web page" in rig.until("refused").reason


# Links


def test_expired_link_is_renewed_without_a_condition(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig(install="ask")
    rig.check()
    server.expire_links()
    server.link_lasts_s = -60
    rig.check()  # 304: the device still holds the first link
    server.link_lasts_s = 3600
    assert asked_info(server) == [200, 304]
    # The first link has expired by the clock, too.
    source = rig.updater._source
    source._clock = lambda: time.time() + 4000
    rig.install()
    rig.until("committed")
    assert asked_info(server) == [200, 304, 304, 200]
    assert "if-none-match" not in server.asked(PATH)[-1].headers
    assert [request.status for request in files_asked(server)] == [400, 200]


def test_links_that_keep_expiring_are_given_up_after_two_more(new_rig, server):
    server.publish("kitchen", LABELED)
    server.link_lasts_s = -60
    rig = new_rig()
    rig.check()
    assert "400" in rig.until("failed").reason
    assert len(files_asked(server)) == 3 and asked_info(server) == [200, 200, 200]
    server.link_lasts_s = 3600
    rig.check()
    rig.until("committed")


def test_link_refused_early_is_renewed_at_the_next_check(new_rig, server):
    """A device whose clock is slow cannot know that a link has expired."""
    server.publish("kitchen", LABELED)
    rig = new_rig()
    file = next(path for _, path in server.routes if path.startswith("/files/"))
    server.fault(file, Status(403), times=1)
    rig.check()
    rig.until("failed")
    rig.check()
    rig.until("committed")
    assert asked_info(server) == [200, 200]


def test_model_published_while_the_link_expires_is_installed(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig(install="ask")
    rig.check()
    server.expire_links()
    rig.updater._source._clock = lambda: time.time() + 4000
    second = with_labels(made_models.good(9), "red", "green", "blue")
    server.fault(PATH, Status(304), times=1)  # published just after the check
    server.publish("kitchen", second)
    rig.install()
    rig.until("committed")
    assert rig.labeler.bundle.read_model() == second
    assert rig.check()["current"] and [request.status for request in files_asked(server)] == [400, 200]


def test_a_download_that_broke_goes_on_where_it_ended(new_rig, server):
    server.publish("kitchen", LABELED)
    file = next(path for _, path in server.routes if path.startswith("/files/"))
    server.fault(file, Truncate(1000), times=1)
    rig = new_rig()
    rig.check()
    rig.until("committed")
    assert [request.headers.get("range") for request in files_asked(server)] == [None, "bytes=1000-"]
    parts = [path.read_text() for path in (rig.state / "downloads").rglob("*.json")]
    assert not any("signature" in text for text in parts)


@pytest.mark.parametrize("fault", [Longer(10), Longer(10, announced=False), Body(b"short"), Stall(100), HangUp()])
def test_bytes_that_are_not_what_was_announced_are_not_taken(new_rig, server, fault):
    server.publish("kitchen", LABELED)
    file = next(path for _, path in server.routes if path.startswith("/files/"))
    server.fault(file, fault)
    rig = new_rig()
    rig.check()
    rig.until("failed")
    assert rig.runs == "shipped 1.0" and "refused" not in rig.states
    server.mend()
    rig.check()
    rig.until("committed")


# The service's errors


@pytest.mark.parametrize(
    ("status", "says", "settings"),
    [
        (400, "refuses the model kitchen .* check update.firebase.model_name", True),
        (401, "enable the Firebase ML API for the project and allow it for update.firebase.api_key", True),
        (403, "enable the Firebase ML API for the project .* then run: appliance model check", True),
        (404, "there is no published model kitchen in the Firebase project demo", False),
        (429, "the quota of Firebase ML is used up", False),
        (500, "Firebase ML answers 500", False),
        (503, "Firebase ML answers 503", False),
    ],
)
def test_each_status_says_what_it_means_and_what_google_says(server, tmp_path, status, says, settings):
    server.publish("kitchen", LABELED)
    server.fault(PATH, error(status, "Google's own words.", Retry_After="77"))
    source = make_source(tmp_path)
    with pytest.raises(SourceSettingsError if settings else SourceError, match=says) as raised:
        source.check()
    assert f"{status}: Google's own words" in str(raised.value)
    assert isinstance(raised.value, SourceGoneError) == (status == 404)
    if status in (429, 503):
        assert raised.value.retry_after_s == 77


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"downloadUri": None}, "no link"),
        ({"downloadUri": 7}, "no link"),
        ({"sizeBytes": None}, "no size"),
        ({"sizeBytes": "many"}, "no size"),
        ({"sizeBytes": "-1"}, "no size"),
        ({"expireTime": "soon"}, "invalid time"),
        ({"expireTime": 5}, "invalid time"),
        ({"modelFormat": "ONNX"}, "only TFLITE"),
    ],
)
def test_an_answer_that_makes_no_sense_is_tried_again_later(server, tmp_path, extra, says):
    server.publish("kitchen", LABELED)
    server.extra = extra
    with pytest.raises(SourceError, match=says):
        make_source(tmp_path).check()


@pytest.mark.parametrize("content", [b"<html>", b"[]"])
def test_an_answer_that_is_no_json_object_is_tried_again_later(server, tmp_path, content):
    server.publish("kitchen", LABELED)
    server.fault(PATH, Status(200, content, {"ETag": "x"}))
    with pytest.raises(SourceError, match="JSON"):
        make_source(tmp_path).check()


def test_an_answer_without_an_etag_is_an_error(server, tmp_path):
    server.publish("kitchen", LABELED)
    server.fault(PATH, Body(b"{}"))
    with pytest.raises(SourceError, match="ETag"):
        make_source(tmp_path).check()


def test_a_model_that_is_too_large_is_not_fetched(server, tmp_path):
    server.publish("kitchen", LABELED)
    with pytest.raises(SourceSettingsError, match="update.max_bytes"):
        make_source(tmp_path, max_bytes=1024).check()


def test_a_link_without_https_is_not_followed(new_rig, server):
    server.publish("kitchen", LABELED)
    server.extra = {"downloadUri": "http://models.example.org/kitchen"}
    rig = new_rig()
    rig.check()
    assert "https" in rig.until("failed").reason


def test_refused_token_is_replaced_silently(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig(install="ask")
    rig.check()
    server.tokens.clear()
    rig.check()
    assert len(server.registered) == 1 and asked_info(server) == [200, 401, 304]


def test_forgotten_identity_is_registered_again(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig(install="ask")
    rig.check()
    (first,) = server.registered
    server.forget()
    rig.check()
    (second,) = server.registered
    assert first != second and asked_info(server) == [200, 401, 304]


def test_refused_registration_is_retried_on_request(new_rig, server):
    server.publish("kitchen", LABELED)
    server.fault(INSTALLATIONS, error(403, "API key not valid."), times=1)
    rig = new_rig()
    with pytest.raises(UpdateError, match="check update.firebase.project_id, api_key and app_id"):
        rig.check()
    assert rig.check()["taken"]


# The shutdown


def test_after_its_end_an_error_says_so(server, tmp_path):
    server.publish("kitchen", LABELED)
    server.fault(PATH, Status(404))
    source = make_source(tmp_path)
    source._clock = lambda: 1_813_000_000.0 + 86_400 * 365
    with pytest.raises(
        SourceSettingsError, match="was shut down on 2027-06-15.*the last error was: there is no published model"
    ):
        source.check()


# Remote Config


def test_remote_config_names_model_and_experiment(new_rig, server):
    server.publish("hall", LABELED)
    server.config = {
        "entries": {"model_name": "hall", "model_threshold": "0.8"},
        "experimentDescriptions": [{"experimentId": "e1", "variantId": "1"}],
    }
    rig = new_rig(model_name=None, remote_config=True)
    rig.check()
    rig.until("committed")
    assert rig.runs.startswith("hall ") and rig.thresholds == [0.8]
    slot = rig.store.read_state().current
    assert (slot.experiment, slot.variant) == ("e1", "1")
    server.publish("attic", with_labels(made_models.good(7), "red", "green", "blue"))
    server.config = {
        "entries": {"model_name": "attic"},
        "experimentDescriptions": [{"experimentId": "e1", "variantId": "2"}],
    }
    rig.check()
    rig.until("committed", 2)
    slot = rig.store.read_state().current
    assert (
        rig.runs.startswith("attic ")
        and (slot.experiment, slot.variant) == ("e1", "2")
        and rig.thresholds == [0.8, None]
    )


def test_the_group_decides_which_model_a_device_takes(new_rig, server):
    for salt, name in ((1, "kitchen"), (2, "beta")):
        server.publish(name, with_labels(made_models.good(salt), "red", "green", "blue"))
    server.config = lambda body: {
        "entries": {"model_name": "beta"} if body.get("custom_signals") == {"group": "canary"} else {}
    }
    canary, other = new_rig(remote_config=True, group="canary"), new_rig(remote_config=True)
    for rig in (canary, other):
        rig.check()
        rig.until("committed")
    assert canary.runs.startswith("beta ") and other.runs.startswith("kitchen ")


def test_failing_remote_config_leaves_the_settings_in_force(new_rig, server, caplog):
    server.publish("kitchen", LABELED)
    server.fault(FETCH, Status(503))
    rig = new_rig(remote_config=True)
    rig.check()
    rig.until("committed")
    assert (
        rig.runs.startswith("kitchen ") and "Remote Config is not available" in caplog.text and rig.thresholds == [None]
    )


def test_failing_remote_config_without_a_model_is_reported(new_rig, server):
    server.fault(FETCH, error(503, "Busy."))
    rig = new_rig(model_name=None, remote_config=True)
    with pytest.raises(UpdateError, match="no model name is set.*Remote Config is not available: .*503: Busy"):
        rig.check()


def test_it_chooses_the_threshold_before_a_plain_url_too(tmp_path, server):
    server.config = {"entries": {"model_threshold": "0.3"}}
    with FirebaseRig(tmp_path / "d", {"remote_config": True}, source="url", interval_s=1.0) as rig:
        wait_until(lambda: rig.thresholds, "a threshold")
    assert rig.thresholds[0] == 0.3


def test_it_chooses_the_channel_of_a_signed_repository(tmp_path, server):
    operator = Operator(tmp_path)
    operator.put("1.0", variant="slice")
    operator.put("2.0", channel="beta", variant="slice")
    experiment = {"experimentId": "e1", "variantId": "1"}
    server.config = {"entries": {"model_channel": "beta"}, "experimentDescriptions": [experiment]}
    with ModelServer(operator.site) as site:
        more = {"source": "repository", "url": site.url(), "root": operator.root}
        with FirebaseRig(tmp_path / "device", {"remote_config": True}, **more) as rig:
            rig.check()
            rig.until("committed")
            slot = rig.store.read_state().current
            assert rig.runs == "colours 2.0" and (slot.experiment, slot.variant) == ("e1", "1")
            server.config = {"state": "NO_TEMPLATE"}
            rig.check()
            rig.until("committed", 2)
            slot = rig.store.read_state().current
            assert rig.runs == "colours 1.0" and (slot.experiment, slot.variant) == (None, "slice")


def make_source(tmp_path, **more):
    settings = UpdateSettings(
        source="firebase-ml", firebase=FirebaseSettings(**PROJECT_SETTINGS, model_name="kitchen"), **more
    )
    http = Http()
    return FirebaseMlSource(settings, Installation(settings.firebase, tmp_path / "f", http), http, None)


def test_files_are_json_without_secrets_except_tokens(new_rig, server):
    server.publish("kitchen", LABELED)
    rig = new_rig(install="ask")
    rig.check()
    kept = json.loads((rig.state / "firebase" / "installation.json").read_text())
    assert set(kept) == {"project_id", "app_id", "fid", "refresh_token", "token", "made_s", "lasts_s"}
