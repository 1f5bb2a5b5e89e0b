"""Test the store's state file: its keys on disk, and what makes it invalid."""

import json
from dataclasses import replace

import pytest

from appliance.updates.store.state import (
    InstalledModel,
    Rejection,
    Start,
    StateFileError,
    StoreState,
    decode_state,
    encode_state,
    guess_bundled,
)

KEY = "0123456789abcdef" * 4

# The file as an earlier release wrote it.
OLD_FILE = f"""{{
 "format": 1,
 "current": {{
  "key": "{KEY}",
  "name": "colours",
  "version": "2.0",
  "sha256": "{KEY}",
  "origin": "channel stable",
  "delivered": "2026-01-31T12:00:00.123Z",
  "offer": "f00d",
  "variant": "b",
  "experiment": "lights",
  "over_bundled": "{KEY}"
 }},
 "previous": {{
  "key": "{KEY}",
  "name": "colours",
  "version": "1.0",
  "sha256": "{KEY}",
  "origin": "a command",
  "delivered": "2026-01-30T12:00:00.123Z",
  "offer": null,
  "variant": null,
  "experiment": null,
  "over_bundled": null
 }},
 "earlier": {{
  "key": "{KEY}",
  "name": "colours",
  "version": "0.9",
  "sha256": "{KEY}",
  "origin": "a command",
  "delivered": "2026-01-29T12:00:00.123Z",
  "offer": null,
  "variant": null,
  "experiment": null,
  "over_bundled": null
 }},
 "waiting": {{
  "key": "{KEY}",
  "name": "colours",
  "version": "3.0",
  "sha256": "{KEY}",
  "origin": "channel stable",
  "delivered": "2026-01-31T13:00:00.123Z",
  "offer": "beef",
  "variant": null,
  "experiment": null,
  "over_bundled": null
 }},
 "probation": true,
 "deaths": 1,
 "start": {{
  "boot": "boot-1",
  "ready": true
 }},
 "refused": [
  {{
   "hash": "dead",
   "version": "2.1",
   "reason": "it crashed",
   "time": "2026-01-31T12:30:00.123Z"
  }}
 ]
}}
"""


def make_model(version, origin, delivered, offer=None, *more):
    return InstalledModel(KEY, "colours", version, KEY, origin, delivered, offer, *more)


STATE = StoreState(
    current=make_model("2.0", "channel stable", "2026-01-31T12:00:00.123Z", "f00d", "b", "lights", KEY),
    previous=make_model("1.0", "a command", "2026-01-30T12:00:00.123Z"),
    before_previous=make_model("0.9", "a command", "2026-01-29T12:00:00.123Z"),
    staged=make_model("3.0", "channel stable", "2026-01-31T13:00:00.123Z", "beef"),
    probation=True,
    failed_starts=1,
    start=Start("boot-1", ready=True),
    rejections=(Rejection("dead", "2.1", "it crashed", "2026-01-31T12:30:00.123Z"),),
)


def test_file_of_an_earlier_release_is_read():
    # Such a release had one bundled model, whose topics must stay.
    assert decode_state(OLD_FILE.encode()) == replace(STATE, bundled="flowers")


def test_file_keeps_its_keys_and_form():
    # The keys of the bundled model were added after that release.
    added = ' "format": 1,\n "bundled": "general",\n "draws": false,'
    expected = OLD_FILE.replace(' "format": 1,', added)
    assert encode_state(replace(STATE, bundled="general")).decode() == expected


def test_empty_state_is_read_back():
    state = StoreState(bundled="general", draws=True)
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (encode_state(replace(STATE, bundled="general")), "general"),
        (OLD_FILE.encode(), "flowers"),
        (b"\0" * 300, None),
    ],
    ids=["new", "earlier release", "lost"],
)
def test_damaged_file_still_names_its_bundled_model(content, name):
    assert guess_bundled(content[:150]) == name


def test_file_without_later_keys_is_read():
    values = json.loads(OLD_FILE)
    for key in ("offer", "variant", "experiment", "over_bundled"):
        del values["current"][key]
    del values["refused"]
    state = decode_state(json.dumps(values).encode())
    assert (state.current.offer, state.current.bundled_override_key, state.rejections) == (None, None, ())


def change(**values):
    return {**json.loads(OLD_FILE), **values}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (change(format=2), "format"),
        (change(probation=0), "probation"),
        (change(deaths=True), "deaths"),
        (change(deaths="1"), "deaths"),
        (change(refused={}), "refused"),
        (change(refused=[{"hash": "dead"}]), "version"),
        (change(start=[]), "Start"),
        (change(start={"boot": "b", "ready": "yes"}), "ready"),
        (change(current={**json.loads(OLD_FILE)["current"], "key": "../x"}), "key is not a hash"),
        (change(current={**json.loads(OLD_FILE)["current"], "key": KEY.upper()}), "key is not a hash"),
        (change(current={**json.loads(OLD_FILE)["current"], "offer": 5}), "offer"),
        ([], "format"),
    ],
)
def test_invalid_file_names_the_fault(values, error):
    with pytest.raises(StateFileError, match=error):
        decode_state(json.dumps(values).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[" * 100_000])
def test_file_that_is_not_json_is_invalid(content):
    with pytest.raises(StateFileError, match="not JSON"):
        decode_state(content)


def test_models_are_those_that_stay_on_disk():
    assert [model.version for model in STATE.models] == ["2.0", "1.0", "0.9", "3.0"]
    assert StoreState().models == ()
