"""Test which messages become suspects when a connection ends, and what identifies the cause."""

import pytest

from appliance.messaging.mqtt import errors
from appliance.messaging.suspects import Suspects

SILENT, DENIED, TAKEN_OVER = errors.UNSPECIFIED, errors.NOT_AUTHORIZED, errors.SESSION_TAKEN_OVER


def sent(*keys):
    suspects = Suspects()
    for order, key in enumerate(keys, 1):
        suspects.note_sent(order, key)
    return suspects


def test_all_unconfirmed_messages_of_a_short_connection_are_suspects():
    suspects = sent("T/a", "T/b", "T/c", 7)
    suspects.note_answer(2, 10.0)
    suspects.note_answer(2, 11.0)
    assert suspects.note_loss(SILENT, 11.0, short=True) is None
    assert [suspects.is_suspect(key) for key in ("T/a", "T/b", "T/c", 7)] == [False, False, True, True]


def test_message_that_was_acknowledged_a_moment_ago_is_a_suspect():
    suspects = sent("T/a")
    suspects.note_answer(1, 10.0)
    suspects.note_loss(SILENT, 10.01, short=True)
    assert suspects.is_suspect("T/a")


def test_second_silent_loss_makes_a_suspect():
    suspects = sent("T/a", "T/b")
    suspects.note_loss(SILENT, 0.0, short=False)
    assert not suspects.is_suspect("T/a")
    for topic in ("T/a", "T/c"):
        suspects.note_sent(1, topic)
    suspects.note_loss(SILENT, 0.0, short=False)
    assert suspects.is_suspect("T/a") and not suspects.is_suspect("T/c")


def test_only_message_of_a_long_connection_is_a_suspect():
    suspects = sent("T/a")
    suspects.note_loss(SILENT, 0.0, short=False)
    assert suspects.is_suspect("T/a")


def test_confirmed_message_is_no_longer_counted():
    suspects = sent("T/a", "T/b")
    suspects.note_loss(SILENT, 0.0, short=False)
    suspects.note_sent(1, "T/a")
    suspects.note_answer(1, 1.0)
    suspects.note_answer(1, 2.0)
    for topic in ("T/a", "T/b"):
        suspects.note_sent(2, topic)
    suspects.note_loss(SILENT, 3.0, short=False)
    assert not suspects.is_suspect("T/a")


@pytest.mark.parametrize("code", [0x89, 0x8B, 0x8D, TAKEN_OVER])
def test_disconnect_that_no_message_caused_makes_no_suspect(code):
    suspects = sent("T/a")
    assert suspects.note_loss(code, 0.0, short=True) is None
    assert not suspects.is_suspect("T/a")
    assert not suspects.note_strike("T/a", code)


@pytest.mark.parametrize("code", [DENIED, 0x81, 0x95, 0x97, 0x98, 0x99, 0x9A, 0x9B])
def test_reason_identifies_the_only_message(code):
    assert sent("T/a").note_loss(code, 0.0, short=False) == "T/a"
    assert sent(7).note_strike(7, code)


def test_three_silent_strikes_identify_a_message():
    suspects = sent("T/a")
    assert [suspects.note_strike("T/a", SILENT) for _ in range(3)] == [False, False, True]
    suspects.clear("T/a")
    assert not suspects.is_suspect("T/a")
