"""A device gets another id: what it published is cleared, what waits is delivered, and nothing stays NOT OK."""

import json

import pytest

from support.broker import wait_until
from support.daemon import Daemon, payloads, settings

ACL = """
user new
topic readwrite appliance/new/#
topic readwrite homeassistant/#
user admin
topic readwrite #
"""
PASSWORDS = {"new": "secret", "admin": "secret"}


def text(broker, device, more="", login=""):
    return settings(broker, "scene", more=f"snapshots = true\n{login}\n{more}").replace('id = "t"', f'id = "{device}"')


def run_as(folder, text, is_done, what):
    """Run the daemon with these settings until a condition, and stop it."""
    with Daemon(folder, text) as daemon:
        wait_until(lambda: is_done(daemon), what)
        assert daemon.stop() == 0
    return daemon


def retained(broker, **login):
    """Return the topics whose retained messages a new client gets."""
    with broker.observer(**login) as seen:
        seen.publish("appliance/marker")  # arrives after everything that is retained
        seen.wait_for("appliance/marker")
        return {message.topic for message in seen.messages if message.retained and message.payload}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "d"


@pytest.mark.slow
def test_former_topics_are_cleared_and_waiting_events_are_delivered(broker, folder):
    with broker.observer() as seen:
        run_as(
            folder, text(broker, "old"), lambda _: seen.payloads("appliance/old/snapshot"), "a picture was published"
        )
        run_as(folder, text(None, "old"), lambda daemon: daemon.count_lines(" started ("), "an event waits")
        number = len(seen.payloads("appliance/old/event"))
        with Daemon(folder, text(broker, "new")) as daemon:
            first = payloads([seen.wait_for("appliance/new/event")[0].payload])[0]
            assert (first["device"], first["former_device"], first["type"]) == ("new", "old", "started")
            daemon.wait_for_log("of the former name appliance/old are cleared")
            left = {topic for topic in retained(broker) if "/old" in topic}
            assert left == set()
            assert daemon.count_lines("formerly under appliance/old") == 1
            assert len(seen.payloads("appliance/old/event")) == number
            own = [event for event in payloads(seen.payloads("appliance/new/event")) if "former_device" not in event]
            assert all(event["device"] == "new" for event in own)
            assert daemon.stop() == 0
        daemon.start()
        daemon.wait_for_log("camera: streaming", count=2)
        assert daemon.count_lines("formerly under") == 1
        assert daemon.stop() == 0


@pytest.mark.slow
def test_topics_that_the_account_may_not_clear_are_left_to_the_administrator(new_broker, folder, tmp_path):
    broker = new_broker(passwords=PASSWORDS, acl=ACL)
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)

    def login(account):
        return f'username = "{account}"\npassword_file = "{tmp_path / "password"}"'

    as_admin = {"username": "admin", "password": "secret"}
    with broker.observer(**as_admin) as seen:
        run_as(
            folder,
            text(broker, "old", login=login("admin")),
            lambda _: seen.payloads("appliance/old/snapshot"),
            "online",
        )
        run_as(folder, text(None, "old"), lambda daemon: daemon.count_lines(" started ("), "an event waits")
        with Daemon(folder, text(broker, "new", login=login("new"))) as daemon:
            first = payloads([seen.wait_for("appliance/new/event")[0].payload])[0]
            assert first["former_device"] == "old"
            daemon.wait_for_log("its administrator can clear them")
            checked = json.loads(daemon.run("check", "--config", str(folder / "appliance.toml"), "--json").stdout)
            parts = {result["part"]: result for result in checked}
            assert parts["broker"]["ok"], parts["broker"]
            assert parts["former topics"]["ok"]
            assert (
                "mosquitto_sub" in parts["former topics"]["says"]
                and "appliance/old/#" in parts["former topics"]["says"]
            )
            assert any(topic.startswith("appliance/old/") for topic in retained(broker, **as_admin))
            assert daemon.stop() == 0
    checked = json.loads(daemon.run("check", "--config", str(folder / "appliance.toml"), "--json").stdout)
    assert any("mosquitto_sub" in result["says"] for result in checked), "without the daemon too"
