"""Test Remote Config: what a project chooses, how often it is fetched, and that a failure changes nothing."""

import json

import pytest

from appliance.settings.schema import FirebaseSettings
from appliance.transport.http import Http
from appliance.updates.firebase.remote_config import CONFIG_FILE, RemoteConfig, load_config
from support.firebase import QUICK, Clock, installation
from support.firebase_server import APP, FETCH, PROJECT, FirebaseServer, error
from support.model_server import Body, HangUp, Status

HOUR_S = 3600.0


@pytest.fixture
def server():
    with FirebaseServer() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(server, tmp_path, clock):
    """Return Remote Config as after a start of the program, on the same device each time."""

    def make(group=None):
        here = installation(server, tmp_path, clock)
        return RemoteConfig(here, Http(QUICK), tmp_path, group, clock=clock, monotonic=clock, random=lambda: 0.5)

    return make


def fetched(server):
    return server.asked(FETCH)


def test_parameters_come_with_experiment_and_variant(server, start):
    server.config = {
        "entries": {"model_channel": "beta", "model_name": "hall", "model_threshold": "0.75", "colour": "blue"},
        "experimentDescriptions": [{"experimentId": "_exp_7", "variantId": "1"}],
    }
    config = start().get_config()
    assert (config.channel, config.model_name, config.threshold) == ("beta", "hall", 0.75)
    assert (config.experiment, config.variant) == ("_exp_7", "1")


def test_the_request_says_who_asks_and_in_which_group(server, start, clock):
    start(group="canary").get_config()
    request = fetched(server)[0]
    body = json.loads(request.body)
    fid = body.pop("app_instance_id")
    assert fid in server.registered and body.pop("app_instance_id_token") in server.tokens
    assert body.pop("app_version") and body.pop("sdk_version")
    assert body == {"app_id": APP, "language_code": "en", "custom_signals": {"group": "canary"}}
    assert (
        request.headers["if-none-match"] == "*"
        and request.headers["x-goog-firebase-installations-auth"] in server.tokens
    )


def test_without_a_group_there_is_no_signal(server, start):
    start().get_config()
    assert "custom_signals" not in json.loads(fetched(server)[0].body)


def test_config_is_fetched_every_twelve_hours_or_on_request(server, start, clock):
    server.config = {"entries": {"model_channel": "a"}}
    here = start()
    assert here.get_config().channel == "a"
    server.config = {"entries": {"model_channel": "b"}}
    clock += 11 * HOUR_S
    assert here.get_config().channel == "a" == start().get_config().channel and len(fetched(server)) == 1
    assert start().get_config(requested=True).channel == "b"
    server.config = {"entries": {"model_channel": "c"}}
    clock += 13 * HOUR_S
    assert start().get_config().channel == "c"


def test_a_clock_that_was_set_back_does_not_hold_it_up(server, start, clock):
    server.config = {"entries": {"model_channel": "a"}}
    start().get_config()
    clock += -30 * 24 * HOUR_S
    server.config = {"entries": {"model_channel": "b"}}
    assert start().get_config().channel == "b"


def test_what_did_not_change_is_not_sent_again_and_holds(server, start, clock):
    server.config = {"entries": {"model_channel": "a"}}
    start().get_config()
    clock += 13 * HOUR_S
    assert start().get_config().channel == "a"
    assert [request.status for request in fetched(server)] == [200, 304]
    server.config = {"state": "NO_CHANGE"}
    clock += 13 * HOUR_S
    assert start().get_config().channel == "a"


@pytest.mark.parametrize("state", ["NO_TEMPLATE", "EMPTY_CONFIG"])
def test_an_empty_template_takes_every_choice_back(server, start, clock, state):
    experiment = {"experimentId": "e", "variantId": "1"}
    server.config = {
        "entries": {"model_channel": "a", "model_threshold": "0.9"},
        "experimentDescriptions": [experiment],
    }
    start().get_config()
    server.config = {"state": state}
    config = start().get_config(requested=True)
    assert (config.channel, config.threshold, config.experiment, config.variant) == (None, None, None, None)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_overloaded_server_waits_two_to_256_minutes(server, start, clock, status, caplog):
    server.config = {"entries": {"model_channel": "a"}}
    here = start()
    here.get_config()
    server.fault(FETCH, error(status, "Busy."))
    for minutes in (2, 4, 8, 16, 32, 64, 128, 256, 256):
        asked = len(fetched(server)) + 1
        assert here.get_config(requested=True).channel == "a"
        clock += minutes * 60 - 1
        here.get_config(requested=True)
        assert len(fetched(server)) == asked
        clock += 2
    assert caplog.text.count(f"overloaded or received too many requests ({status}: Busy)") == 1, "logged once"
    server.mend()
    here.get_config(requested=True)
    assert here.error is None


def test_longest_back_off_is_spread_too(server, tmp_path, clock):
    server.fault(FETCH, Status(503))
    who = installation(server, tmp_path, clock)
    here = RemoteConfig(who, Http(QUICK), tmp_path, None, clock=clock, monotonic=clock, random=lambda: 1.0)
    for _ in range(8):
        here.get_config()
        clock += 24 * HOUR_S
    here.get_config()
    asked = len(fetched(server))
    clock += 384 * 60 - 1
    here.get_config()
    assert len(fetched(server)) == asked
    clock += 2
    here.get_config()
    assert len(fetched(server)) == asked + 1


def test_the_back_off_is_spread_by_half(server, tmp_path, clock):
    server.fault(FETCH, Status(503))
    for chance, seconds in ((0.0, 60), (1.0, 180)):
        who = installation(server, tmp_path, clock)
        here = RemoteConfig(
            who, Http(QUICK), tmp_path, None, clock=clock, monotonic=clock, random=lambda chance=chance: chance
        )
        here.get_config()
        asked = len(fetched(server))
        clock += seconds - 1
        here.get_config()
        assert len(fetched(server)) == asked
        clock += 2
        here.get_config()
        assert len(fetched(server)) == asked + 1


@pytest.mark.parametrize(
    "fault", [HangUp(), Body(b"<html>"), Body(b"[]"), Body(b'{"state": "NEW"}'), Body(b'{"entries": ["x"]}')]
)
def test_invalid_answer_changes_nothing(server, start, clock, fault, caplog):
    server.config = {"entries": {"model_channel": "a"}}
    start().get_config()
    clock += 13 * HOUR_S
    here = start()
    server.fault(FETCH, fault, times=2)
    assert here.get_config().channel == here.get_config().channel == "a"
    assert caplog.text.count("Remote Config is not available") == 1
    server.mend()
    server.config = {"entries": {"model_channel": "b"}}
    with caplog.at_level("INFO", "appliance.updates"):
        assert here.get_config().channel == "b"
    assert "Remote Config is available again" in caplog.text


@pytest.mark.parametrize(("status", "says"), [(400, "answers 400: API not enabled"), (403, "(403: API not enabled)")])
def test_refusal_is_retried_after_a_day_or_on_request(server, start, clock, status, says, caplog):
    server.fault(FETCH, error(status, "API not enabled."))
    here = start()
    for _ in range(3):
        assert here.get_config().channel is None
        clock += 7 * HOUR_S
    assert len(fetched(server)) == 1 and caplog.text.count(says) == 1
    here.get_config(requested=True)
    assert len(fetched(server)) == 2


def test_a_token_that_is_not_taken_is_replaced(server, start):
    here = start()
    here.get_config()
    server.tokens.clear()
    here.get_config(requested=True)
    assert [request.status for request in fetched(server)] == [200, 401, 304]


@pytest.mark.parametrize(
    ("name", "value"),
    [("model_channel", "../x"), ("model_name", "a b"), *[("model_threshold", text) for text in ("2", "nan", "high")]],
)
def test_invalid_value_leaves_the_setting_in_force(server, start, name, value, caplog):
    server.config = {"entries": {name: value}}
    config = start().get_config()
    assert (config.channel, config.model_name, config.threshold) == (None, None, None)
    assert f"Remote Config's {name} = {value!r} is invalid" in caplog.text


@pytest.mark.parametrize("senseless", [5, True, "exp", {"experimentId": "e"}, [5]])
def test_experiments_that_make_no_sense_are_passed_over(server, start, senseless):
    server.config = {
        "entries": {"model_name": "hall"},
        "experimentDescriptions": senseless,
        "rolloutMetadata": senseless,
    }
    config = start().get_config()
    assert (config.model_name, config.experiment, config.variant) == ("hall", None, None)


def test_experiment_of_a_known_parameter_counts_else_rollout(server, start):
    server.config = {
        "entries": {"model_name": "hall"},
        "experimentDescriptions": [{"experimentId": "colours", "variantId": "0", "affectedParameterKeys": ["colour"]}],
        "rolloutMetadata": [{"rolloutId": "rollout_3", "variantId": 2, "affectedParameterKeys": ["model_name"]}],
    }
    config = start().get_config()
    assert (config.experiment, config.variant) == ("rollout_3", "2")


@pytest.mark.parametrize("content", ["", "[]", '{"entries": 1}', '{"entries": {"a": 1}}', '{"etag": 1}', '{"new": 1}'])
def test_a_damaged_file_counts_as_none(server, start, tmp_path, caplog, content):
    (tmp_path / CONFIG_FILE).write_text(content)
    server.config = {"entries": {"model_channel": "a"}}
    assert start().get_config().channel == "a" and "cannot be used" in caplog.text


def test_what_one_project_chose_means_nothing_to_another(server, start, tmp_path):
    server.config = {"entries": {"model_channel": "a"}}
    start().get_config()
    assert load_config(tmp_path, FirebaseSettings(project_id=PROJECT, app_id=APP)).channel == "a"
    assert load_config(tmp_path, FirebaseSettings(project_id=PROJECT, app_id="1:1:web:2")).channel is None


# The file as an earlier release wrote it.
OLD_FILE = (
    '{"entries": {"model_channel": "beta", "model_threshold": "0.75"}, "experiment": "lights", "variant": "b", '
    '"etag": "e1", "template": "7", "fetched_s": 1800000000.0, "project_id": "%s", "app_id": "%s"}'
)


def test_file_of_an_earlier_release_is_read(tmp_path):
    (tmp_path / CONFIG_FILE).write_text(OLD_FILE % (PROJECT, APP))
    config = load_config(tmp_path, FirebaseSettings(project_id=PROJECT, app_id=APP))
    assert (config.channel, config.threshold, config.experiment, config.variant) == ("beta", 0.75, "lights", "b")
    assert (config.etag, config.template, config.fetched_s) == ("e1", "7", 1_800_000_000.0)


def test_file_keeps_its_keys(server, start, tmp_path):
    server.config = {"entries": {"model_channel": "a"}}
    start().get_config()
    assert set(json.loads((tmp_path / CONFIG_FILE).read_text())) == set(json.loads(OLD_FILE % (PROJECT, APP)))
