"""Clearing former topics on a real broker, with and without the right to read and write them."""

import pytest

from appliance.errors import MessagingError
from appliance.messaging.former_topics import FormerTopicsCleaner, clear_topics, describe_leftovers
from appliance.messaging.identity import FormerIdentity, IdentityFile
from appliance.messaging.topics import Topics
from appliance.settings.schema import MqttSettings
from support.broker import free_port, wait_until

OLD, NEW = Topics("appliance", "old"), Topics("appliance", "new")
FORMER = FormerIdentity(OLD, frozenset({OLD.label("rose")}))
PUT = (OLD.availability, OLD.snapshot, OLD.label("rose"), OLD.discovery, f"{OLD.root}/unknown/of/a/later/release")
OTHERS = (NEW.availability, "appliance/older/availability")
PASSWORDS = {"new": "secret", "admin": "secret"}
ADMIN = {"username": "admin", "password": "secret"}


def put_retained(broker, **login):
    with broker.observer(**login) as client:
        for topic in (*PUT, *OTHERS):
            client.publish(topic, "x", retain=True)


def read_retained(broker, **login):
    with broker.observer(**login) as client:
        client.publish("appliance/new/marker")
        client.wait_for("appliance/new/marker")
        return {message.topic for message in client.messages if message.retained and message.payload}


def make_settings(broker, protocol="5", username=None):
    return MqttSettings(host=broker.host, port=broker.port, protocol=protocol, username=username)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_everything_below_the_former_names_is_cleared(broker, protocol):
    put_retained(broker)
    result = clear_topics(make_settings(broker, protocol), None, "former", FORMER)
    assert (result.left, result.reason, result.cleared) == ([], None, len(PUT))
    assert read_retained(broker) == set(OTHERS)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("may_read", [True, False], ids=["may read", "may not read"])
def test_topics_that_may_not_be_written_are_reported_as_left(new_broker, protocol, may_read):
    read = "topic read #\n" if may_read else ""
    acl = f"user new\ntopic readwrite appliance/new/#\n{read}user admin\ntopic readwrite #\n"
    broker = new_broker(passwords=PASSWORDS, acl=acl)
    put_retained(broker, **ADMIN)
    result = clear_topics(make_settings(broker, protocol, "new"), "secret", "former", FORMER)
    assert result.reason
    assert set(PUT[:4]) <= set(result.left)
    assert read_retained(broker, **ADMIN) == {*PUT, *OTHERS}


def test_account_that_may_write_but_not_read_clears_what_is_known(new_broker):
    acl = "user new\ntopic readwrite appliance/new/#\ntopic write #\nuser admin\ntopic readwrite #\n"
    broker = new_broker(passwords=PASSWORDS, acl=acl)
    put_retained(broker, **ADMIN)
    result = clear_topics(make_settings(broker, username="new"), "secret", "former", FORMER)
    assert (result.left, result.reason) == ([], None)
    assert read_retained(broker, **ADMIN) == {PUT[4], *OTHERS}


def test_absent_broker_is_an_error_for_a_later_attempt():
    with pytest.raises(MessagingError):
        clear_topics(MqttSettings(host="127.0.0.1", port=free_port()), None, "former", FORMER)


def test_cleaner_records_the_result_and_ends(broker, tmp_path, caplog):
    caplog.set_level("INFO")
    put_retained(broker)
    file = IdentityFile(tmp_path)
    file.update(OLD, [])
    cleaner = FormerTopicsCleaner(make_settings(broker), None, "former", file, file.update(NEW, FORMER.topics))
    cleaner.start()
    wait_until(lambda: not file.read_former(), "the former names are forgotten")
    assert cleaner.leftovers is None
    cleaner.stop()


def test_command_for_the_administrator_names_broker_and_topics():
    text = describe_leftovers(FormerIdentity(OLD, refused="not authorized"), MqttSettings(host="hub", port=1884))
    assert "mosquitto_sub -h hub -p 1884" in text and "--remove-retained" in text
    assert "'appliance/old/#'" in text and OLD.discovery in text
