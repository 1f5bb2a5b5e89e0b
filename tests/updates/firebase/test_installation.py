"""Test a device's Firebase identity: registered once, kept, refreshed, and replaced when no longer known."""

import json
import stat

import pytest

from appliance.errors import SourceError, SourceSettingsError
from appliance.updates.firebase.installation import IDENTITY_FILE, Endpoints
from support.firebase import Clock, installation
from support.firebase_server import APP, INSTALLATIONS, FirebaseServer, error, generate_path
from support.model_server import Body, HangUp, Status


@pytest.fixture
def server():
    with FirebaseServer() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


def test_a_device_registers_once_and_is_the_same_after_a_restart(server, tmp_path, clock):
    first = installation(server, tmp_path / "f", clock).get_identity()
    again = installation(server, tmp_path / "f", clock).get_identity()
    assert (again.fid, again.token) == (first.fid, first.token) and len(server.requests) == 1
    request = server.requests[0]
    assert json.loads(request.body) == {
        "fid": first.fid,
        "appId": APP,
        "authVersion": "FIS_v2",
        "sdkVersion": "w:0.6.0",
    }
    assert request.headers["content-type"] == request.headers["accept"] == "application/json"


def test_what_is_kept_can_be_read_by_this_account_alone(server, tmp_path, clock):
    installation(server, tmp_path / "f", clock).get_identity()
    assert stat.S_IMODE((tmp_path / "f" / IDENTITY_FILE).stat().st_mode) == 0o600


def test_the_id_that_the_server_chooses_is_kept(server, tmp_path, clock):
    server.given_fid = "dServerChoseThisOne_-1"
    assert installation(server, tmp_path / "f", clock).get_identity().fid == server.given_fid
    assert installation(server, tmp_path / "f", clock).get_identity().fid == server.given_fid


def test_the_token_is_refreshed_when_under_an_hour_is_left(server, tmp_path, clock):
    here = installation(server, tmp_path / "f", clock)
    first = here.get_identity()
    clock += 604_800 - 3601
    assert here.get_identity().token == first.token
    clock += 2
    second = here.get_identity()
    assert second.fid == first.fid and second.token != first.token
    request = server.asked(generate_path(first.fid))[0]
    assert request.headers["authorization"] == f"FIS_v2 {first.refresh_token}"
    assert json.loads(request.body) == {"installation": {"sdkVersion": "w:0.6.0"}}
    assert installation(server, tmp_path / "f", clock).get_identity().token == second.token


def test_token_from_the_future_is_replaced(server, tmp_path, clock):
    here = installation(server, tmp_path / "f", clock)
    first = here.get_identity()
    clock += -86_400
    assert here.get_identity().token != first.token


@pytest.mark.parametrize("status", [401, 404])
def test_forgotten_identity_is_registered_again(server, tmp_path, clock, status):
    here = installation(server, tmp_path / "f", clock)
    first = here.get_identity()
    clock += 604_800
    server.fault(generate_path(first.fid), error(status, "Gone."))
    second = here.get_identity()
    assert second.fid != first.fid and second.fid in server.registered
    assert installation(server, tmp_path / "f", clock).get_identity().fid == second.fid


def test_another_project_or_app_means_another_identity(server, tmp_path, clock):
    installation(server, tmp_path / "f", clock).get_identity()
    kept = json.loads((tmp_path / "f" / IDENTITY_FILE).read_text())
    (tmp_path / "f" / IDENTITY_FILE).write_text(json.dumps(kept | {"project_id": "another"}))
    assert installation(server, tmp_path / "f", clock).get_identity().fid != kept["fid"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"fid": "x"}', "\0\0\0\0"])
def test_a_damaged_file_counts_as_none_and_that_is_said(server, tmp_path, clock, caplog, content):
    (tmp_path / IDENTITY_FILE).write_text(content)
    assert installation(server, tmp_path, clock).get_identity().fid in server.registered
    assert "cannot be used" in caplog.text


def test_restricted_key_gets_the_headers_of_its_app(server, tmp_path, clock):
    installation(server, tmp_path / "a", clock, android_package="com.example", android_cert="0" * 40).get_identity()
    installation(server, tmp_path / "b", clock, ios_bundle_id="com.example.ios").get_identity()
    android, ios = (request.headers for request in server.requests)
    assert (android["x-android-package"], android["x-android-cert"]) == ("com.example", "0" * 40)
    assert ios["x-ios-bundle-identifier"] == "com.example.ios" and "x-android-package" not in ios


@pytest.mark.parametrize("fault", [Status(500), Status(503), HangUp(), Body(b"<html>"), Body(b"[]")])
def test_a_broken_answer_is_asked_for_once_more_at_once(server, tmp_path, clock, fault):
    server.fault(INSTALLATIONS, fault, times=1)
    assert installation(server, tmp_path, clock).get_identity().fid in server.registered


def test_failing_server_backs_off_to_half_an_hour(server, tmp_path, clock):
    server.fault(INSTALLATIONS, Status(503))
    here, waits = installation(server, tmp_path, clock), []
    for _ in range(13):
        with pytest.raises(SourceError) as raised:
            here.get_identity()
        waits.append(raised.value.retry_after_s)
        asked = len(server.requests)
        clock += waits[-1] - 0.1
        with pytest.raises(SourceError, match="503"):
            here.get_identity()
        assert len(server.requests) == asked, "no request during the back-off"
        clock += 0.2
    assert waits[:4] == [2.5, 4.5, 8.5, 16.5] and waits[-1] == 1800
    server.mend()
    server.fault(generate_path(here.get_identity().fid), Status(500))
    clock += 604_800
    with pytest.raises(SourceError) as raised:
        here.get_identity()
    assert raised.value.retry_after_s == 2.5, "a success ends the back-off"


def test_status_429_waits_as_long_as_the_server_asks(server, tmp_path, clock):
    server.fault(INSTALLATIONS, error(429, "Slow down.", Retry_After="120"))
    with pytest.raises(SourceError) as raised:
        installation(server, tmp_path, clock).get_identity()
    assert raised.value.retry_after_s == 120 and len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 403])
def test_refusal_names_the_remedy_and_waits_a_day(server, tmp_path, clock, status):
    server.fault(INSTALLATIONS, error(status, "API key not valid."))
    here = installation(server, tmp_path, clock)
    for _ in range(3):
        with pytest.raises(
            SourceSettingsError, match=rf"{status}: API key not valid.*check update.firebase.project_id, api_key"
        ):
            here.get_identity()
        clock += 86_000 / 3
    assert len(server.requests) == 1
    server.mend()
    clock += 500
    assert here.get_identity().fid in server.registered


def test_the_silence_ends_when_somebody_asks(server, tmp_path, clock):
    server.fault(INSTALLATIONS, error(403, "No."), times=1)
    here = installation(server, tmp_path, clock)
    with pytest.raises(SourceSettingsError):
        here.get_identity()
    here.clear_backoff()
    assert here.get_identity().fid in server.registered


def test_refused_token_is_replaced_once(server, tmp_path, clock):
    from appliance.errors import HttpStatusError

    here, sent = installation(server, tmp_path, clock), []

    def send(identity):
        sent.append(identity.token)
        raise HttpStatusError("no", 401)

    with pytest.raises(HttpStatusError):
        here.send(send)
    assert len(sent) == 2 and sent[0] != sent[1]


def test_a_disk_that_refuses_costs_only_the_memory_of_it(server, tmp_path, clock, caplog):
    (tmp_path / "f").write_text("a file where the folder should be")
    here = installation(server, tmp_path / "f", clock)
    assert here.get_identity() == here.get_identity() and len(server.requests) == 1
    assert "cannot be written" in caplog.text


def test_servers_are_googles_unless_the_environment_names_one():
    assert Endpoints.from_environment({}).ml == "https://firebaseml.googleapis.com"
    named = Endpoints.from_environment({"APPLIANCE_FIREBASE_URL": "http://127.0.0.1:1/"})
    assert {named.ml, named.installations, named.remote_config} == {"http://127.0.0.1:1"}
