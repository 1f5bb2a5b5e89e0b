"""Open events from the disk: only those that can be ended are accepted."""

import pytest

from appliance.messaging.open_event_check import check_open_event

SOUND = {
    "id": "a", "type": "started", "label": "rose", "score": 0.9, "peak_score": 0.9,
    "started": "2026-01-01T12:00:00.000Z", "ended": None,
    "model": {"name": "flowers", "version": "1", "variant": None, "experiment": None},
    "device": "t", "boot": "b", "seq": 1,
}  # fmt: skip


def test_sound_event_is_accepted():
    check_open_event(SOUND)


@pytest.mark.parametrize(
    "damage",
    [
        {"label": ["rose"]}, {"label": None}, {"id": 7}, {"score": "high"}, {"peak_score": True}, {"seq": None},
        {"started": "yesterday"}, {"started": None}, {"model": "flowers"}, {"model": {}}, {"device": {}},
    ],
    ids=str,
)  # fmt: skip
def test_event_that_cannot_be_ended_is_refused(damage):
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
        check_open_event(SOUND | damage)


def test_event_without_a_value_is_refused():
    for key in SOUND:
        with pytest.raises((TypeError, ValueError, KeyError)):
            check_open_event({name: value for name, value in SOUND.items() if name != key})
