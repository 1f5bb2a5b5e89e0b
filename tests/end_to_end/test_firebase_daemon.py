"""Test the daemon with Firebase over a broker: models, thresholds and experiments reach the events."""

import json
import stat

import pytest

from support import made_models
from support.broker import wait_until
from support.daemon import Daemon, payloads, settings
from support.firebase import with_labels
from support.firebase_server import APP, FETCH, INSTALLATIONS, KEY, PROJECT, FirebaseServer, download_path, error

pytestmark = pytest.mark.slow


END = "Firebase ML will be shut down on 2027-06-15"


@pytest.fixture
def server():
    with FirebaseServer() as server:
        yield server


@pytest.fixture
def start(tmp_path, server, broker):
    """Return a function that starts a daemon, which labels drawn scenes and checks the server each second."""
    started = []

    def start(**firebase):
        update = {"source": "firebase-ml", "interval_s": 1, "probation_s": 1, "group": "canary"}
        firebase = {"project_id": PROJECT, "api_key": KEY, "app_id": APP, "model_name": "kitchen", **firebase}
        more = "".join(
            f"[{section}]\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items() if value is not None)
            for section, values in (("update", update), ("update.firebase", firebase))
        )
        started.append(
            Daemon(
                tmp_path / "daemon",
                settings(broker, "scene", fps=20, more=more),
                {"APPLIANCE_FIREBASE_URL": server.url()},
            )
        )
        return started[-1]

    yield start
    for daemon in started:
        daemon.kill()


@pytest.fixture
def seen(broker):
    with broker.observer("appliance/#") as seen:
        yield seen


def colours(salt):
    """Make a model that always reports red, green or blue, depending on the scene."""
    return with_labels(made_models.good(salt), "red", "green", "blue")


def steps(seen):
    return payloads(seen.payloads("appliance/t/update"))


def until(seen, state, count=1):
    wait_until(
        lambda: [step["state"] for step in steps(seen)].count(state) >= count,
        f"{count} × {state}; the steps were {[(step['state'], step['reason']) for step in steps(seen)]}", 60,
    )  # fmt: skip
    return [step for step in steps(seen) if step["state"] == state][count - 1]


def event_where(seen, holds):
    """Wait for an event whose model meets `holds`, and return the first one."""

    def found():
        return [event for event in payloads(seen.payloads("appliance/t/event")) if holds(event["model"])]

    wait_until(
        found,
        f"such an event; there were {[e['model'] for e in payloads(seen.payloads('appliance/t/event'))][-3:]}",
        60,
    )
    return found()[0]


def command(seen, topic):
    answers = seen.count("appliance/t/response/me")
    seen.publish(f"appliance/t/{topic}", "", response_topic="appliance/t/response/me", correlation=b"1")
    return json.loads(seen.wait_for("appliance/t/response/me", count=answers + 1, deadline_s=60)[-1].payload)


def test_events_carry_the_published_models(server, start, seen):
    server.publish("kitchen", colours(1))
    daemon = start()
    first = until(seen, "committed")
    event = event_where(seen, lambda model: model["name"] == "kitchen")
    assert event["model"]["version"] == first["version"] and event["label"] in ("red", "green", "blue")
    assert daemon.count_lines(END) == 1
    server.publish("kitchen", colours(2))
    second = until(seen, "committed", 2)
    event_where(seen, lambda model: model["version"] == second["version"])
    # T/model appends digits that depend on the labels too.
    installed = json.loads(seen.last("appliance/t/model"))["installed_version"]
    assert installed.startswith(second["version"]) and second["version"] != first["version"]
    assert stat.S_IMODE((daemon.state / "firebase" / "installation.json").stat().st_mode) == 0o600
    daemon.kill()
    daemon.start()
    seen.wait_for("appliance/t/availability", b"online", count=2)
    assert len(server.registered) == 1, "the same installation after a kill"


def test_check_says_what_the_source_offers_and_when_it_ends(server, start, seen):
    server.publish("kitchen", colours(1))
    daemon = start()
    until(seen, "committed")
    for _ in range(2):
        lines = daemon.run("check", "--config", str(daemon.state.parent / "appliance.toml")).stdout.splitlines()
        told = next(line for line in lines if "update source" in line)
        assert "the model kitchen of the Firebase project demo-project" in told and END in told
        daemon.stop()
    assert len(server.registered) == 1, "a check is not another installation"


def test_a_link_that_has_expired_is_asked_for_again(server, start, seen):
    server.publish("kitchen", colours(1))
    server.link_lasts_s = -60
    start()
    until(seen, "failed")
    server.link_lasts_s = 3600
    until(seen, "committed")
    event_where(seen, lambda model: model["name"] == "kitchen")


def test_403_says_what_to_do(server, start, seen):
    server.publish("kitchen", colours(1))
    server.fault(
        download_path("kitchen"), error(403, "Firebase ML API has not been used in project 1 before or it is disabled.")
    )
    start()
    failed = until(seen, "failed")
    assert "has not been used in project 1" in failed["reason"] and "enable the Firebase ML API" in failed["reason"]
    server.mend()
    until(seen, "committed")


def test_refused_key_names_the_remedy_and_is_retried(server, start, seen):
    server.publish("kitchen", colours(1))
    server.fault(INSTALLATIONS, error(403, "API key not valid."))
    start()
    failed = until(seen, "failed")
    assert (
        "API key not valid" in failed["reason"]
        and "check update.firebase.project_id, api_key and app_id" in failed["reason"]
    )
    server.mend()
    assert len(server.requests) == 1
    assert command(seen, "model/check")["ok"]
    until(seen, "committed")


@pytest.mark.parametrize("status", [401, 404])
def test_forgotten_identity_is_registered_again(server, start, seen, status):
    server.publish("kitchen", colours(1))
    daemon = start()
    until(seen, "committed")
    (first,) = server.registered
    server.forget()
    if status == 401:
        server.registered[first] = "another token"
    server.publish("kitchen", colours(2))
    until(seen, "committed", 2)
    assert len(set(server.registered) - {first}) == 1 and len(server.asked(INSTALLATIONS)) == 2
    daemon.wait_for_log("registering again")


def test_remote_config_chooses_model_threshold_and_experiment(server, start, seen, tmp_path):
    for salt, name in ((1, "kitchen"), (2, "hall")):
        server.publish(name, colours(salt))

    def template(body):
        if body.get("custom_signals") != {"group": "canary"}:
            return {"entries": {}}
        experiment = {"experimentId": "_exp_1", "variantId": server.variant}
        names = {"0": "kitchen", "1": "hall"}
        entries = {"model_name": names[server.variant], "model_threshold": "0.21" if server.variant == "1" else "0.22"}
        return {"entries": entries, "experimentDescriptions": [experiment]}

    server.variant, server.config = "1", template
    daemon = start(model_name=None, remote_config=True)
    until(seen, "committed")
    event = event_where(seen, lambda model: model["name"] == "hall")
    assert (event["model"]["experiment"], event["model"]["variant"]) == ("_exp_1", "1")
    assert float(seen.last("appliance/t/threshold")) == 0.21

    server.variant = "0"
    assert command(seen, "model/check")["ok"], "a command fetches it although it is not yet due"
    until(seen, "committed", 2)
    event = event_where(seen, lambda model: model["name"] == "kitchen")
    assert (event["model"]["experiment"], event["model"]["variant"]) == ("_exp_1", "0")
    seen.wait_for("appliance/t/threshold", b"0.22")

    # After a restart without a network, the choices still apply from the first frame on.
    assert daemon.stop() == 0
    server.fault(FETCH, error(503, "Busy."))
    server.fault(download_path("kitchen"), error(503, "Busy."))
    before = seen.count("appliance/t/threshold")
    daemon.start()
    assert seen.wait_for("appliance/t/threshold", count=before + 1)[before].payload == b"0.22"
    event_where(seen, lambda model: model["variant"] == "0")

    # A threshold set over MQTT takes precedence until it is cleared.
    seen.publish("appliance/t/threshold/set", "0.5")
    seen.wait_for("appliance/t/threshold", b"0.5")
    count = len([payload for payload in seen.payloads("appliance/t/threshold") if payload == b"0.22"])
    seen.publish("appliance/t/threshold/set", "default")
    seen.wait_for("appliance/t/threshold", b"0.22", count=count + 1)


def test_where_the_experiment_ends_the_events_say_so(server, start, seen):
    server.publish("kitchen", colours(1))
    experiment = {"experimentId": "_exp_1", "variantId": "1"}
    server.config = {"entries": {"model_name": "kitchen"}, "experimentDescriptions": [experiment]}
    start(remote_config=True)
    until(seen, "committed")
    event_where(seen, lambda model: model["experiment"] == "_exp_1")
    server.config = {"state": "EMPTY_CONFIG"}
    assert command(seen, "model/check")["ok"]
    before = seen.count("appliance/t/event")
    wait_until(
        lambda: payloads(seen.payloads("appliance/t/event"))[before:] and
        payloads(seen.payloads("appliance/t/event"))[-1]["model"]["experiment"] is None,
        "an event without an experiment", 60,
    )  # fmt: skip
    assert len([request for request in server.requests if request.path.startswith("/files/")]) == 1, (
        "nothing was fetched for it"
    )
