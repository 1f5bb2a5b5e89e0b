"""Test MQTT messages and events as values."""

import dataclasses
from typing import get_args

import pytest

from appliance.messaging.mqtt.message import (
    FIRST_ERROR_CODE,
    Connected,
    ConnectionEvent,
    Outgoing,
    Published,
    Reason,
    Received,
)


@pytest.mark.parametrize(("code", "is_error"), [(0, False), (0x10, False), (0x7F, False), (0x80, True), (0x8E, True)])
def test_reasons_from_0x80_on_are_errors(code, is_error):
    assert Reason(code, "name").is_error is is_error
    assert (code >= FIRST_ERROR_CODE) is is_error


def test_message_asks_for_nothing_that_it_does_not_name():
    assert Outgoing("t", b"x", 1) == Outgoing("t", b"x", 1, retain=False, correlation=None)
    assert Received("t", b"x", False) == Received("t", b"x", False, response_topic=None, correlation=None)
    assert Connected() == Connected(receive_maximum=None, maximum_packet_bytes=None)


@pytest.mark.parametrize("kind", [Outgoing, Reason, *get_args(ConnectionEvent)])
def test_values_cannot_be_changed(kind):
    value = kind(*("" for _ in dataclasses.fields(kind)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(kind)[0].name, "other")


def test_events_are_told_apart_by_their_class():
    assert Published(1, Reason(0, "")) != Published(2, Reason(0, ""))
    assert len(set(get_args(ConnectionEvent))) == 7
