"""Test the payloads about the device: keys, their order, and decoding."""

from dataclasses import replace

from appliance.messaging.device_payloads import ModelPayload, StatsPayload, UpdatePayload
from appliance.messaging.payloads import encode
from support.messaging import STATS


def test_stats_have_their_keys_in_order():
    assert encode(STATS.as_dict()) == (
        b'{"fps":4.99,"dropped":3,"inference_ms":{"p50":11.11,"p95":null},"outbox":{"waiting":2,"dropped":0},'
        b'"cpu_temp_c":null,"rss_mb":80.0,"uptime_s":61.3,"started":"2026-01-01T12:00:00.000Z",'
        b'"runtime":"LiteRT 2.3.0","camera":{"state":"streaming","restarts":1},"unchanged_s":null,"damaged":0,'
        b'"labeling":"ok","labeling_errors":0,"set_aside":0,"kernels":null}'
    )
    assert StatsPayload.from_dict(STATS.as_dict()).as_dict() == STATS.as_dict()
    timed = replace(STATS, time_s=STATS.started_s).as_dict()
    assert next(iter(timed)) == "time"
    assert StatsPayload.from_dict(timed).as_dict() == timed


def test_stats_of_a_release_without_the_new_keys_are_read():
    new = ("unchanged_s", "damaged", "labeling", "labeling_errors", "set_aside", "kernels")
    old = {key: value for key, value in STATS.as_dict().items() if key not in new}
    assert StatsPayload.from_dict(old) == replace(STATS, fps=4.99, inference_p50_ms=11.11, rss_mb=80.0, uptime_s=61.3)


def test_stats_of_the_collection_come_last():
    payload = replace(STATS, collect={"kept": 5}).as_dict()
    assert list(payload)[-1] == "collect"
    assert StatsPayload.from_dict(payload).collect == {"kept": 5}


def test_model_has_exactly_home_assistants_keys():
    payload = ModelPayload("1.0", "1.1", "flowers", True, 40).as_dict()
    keys = ["installed_version", "latest_version", "title", "in_progress", "update_percentage", "release_summary"]
    assert list(payload) == keys and None not in (payload["release_summary"], payload["title"])
    assert ModelPayload.from_dict(payload).as_dict() == payload
    assert ModelPayload("1.0", None, "flowers").as_dict()["latest_version"] == "1.0"


def test_update_step():
    payload = UpdatePayload("refused", "1.1", "ab", "not newer")
    assert encode(payload.as_dict()) == b'{"state":"refused","version":"1.1","sha256":"ab","reason":"not newer"}'
    assert UpdatePayload.from_dict({**payload.as_dict(), "late": True}) == payload
