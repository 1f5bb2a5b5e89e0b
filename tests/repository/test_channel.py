"""Which device takes which entry of a channel: slices computed from the seed and the device's id."""

import hashlib
import json

import pytest

from appliance.errors import ChannelError
from appliance.repository.channel import (
    POSITIONS,
    Channel,
    ChannelEntry,
    choose_entry,
    compute_position,
    encode_channel,
    parse_channel,
)

DEVICES = [f"pi-{hashlib.sha256(str(number).encode()).hexdigest()[:8]}" for number in range(10_000)]


def slice_(version, percent=None, groups=(), variant=None):
    return ChannelEntry(f"bundles/flowers-{version}.zip", version, variant, frozenset(groups), percent)


def takers(channel, group=None):
    """Return which devices take which version."""
    chosen = ((device, choose_entry(channel, device, group)) for device in DEVICES)
    return {device: entry.version if entry else None for device, entry in chosen}


def test_position_follows_firebases_rule():
    expected = int(hashlib.sha256(b"seed.pi-1234abcd").hexdigest(), 16) % 100_000_000
    assert compute_position("seed", "pi-1234abcd") == expected
    assert all(0 <= compute_position("seed", device) < POSITIONS for device in DEVICES[:1000])


def test_raising_the_last_slice_moves_no_other_device():
    """Each share is within 1 percentage point of its slice; `pytest -s` prints the shares."""
    first, second = slice_("2.0", 10, variant="a"), slice_("3.0", 25, variant="b")
    before = takers(Channel("f00d", (first, second, slice_("4.0", 15), slice_("1.0"))))
    after = takers(Channel("f00d", (first, second, slice_("4.0", 40), slice_("1.0"))))
    for when, taken, wanted in (
        ("before", before, {"2.0": 10, "3.0": 25, "4.0": 15, "1.0": 50}),
        ("after", after, {"2.0": 10, "3.0": 25, "4.0": 40, "1.0": 25}),
    ):
        shares = {version: 100 * list(taken.values()).count(version) / len(DEVICES) for version in wanted}
        print(f"{when} raising the last slice: " + ", ".join(f"{v} {shares[v]:.2f} % of {wanted[v]} %" for v in wanted))
        assert all(abs(shares[version] - wanted[version]) <= 1 for version in wanted)
    moved = [device for device in DEVICES if before[device] != after[device]]
    print(f"moved: {len(moved)}, of them from another slice: {sum(before[device] != '1.0' for device in moved)}")
    assert moved and all((before[device], after[device]) == ("1.0", "4.0") for device in moved)


def test_another_seed_reshuffles_the_devices():
    one, other = (takers(Channel(seed, (slice_("2.0", 50), slice_("1.0")))) for seed in ("a", "b"))
    same = sum(one[device] == other[device] for device in DEVICES)
    assert 4700 < same < 5300


def test_slices_of_the_same_groups_are_adjacent():
    entries = (slice_("2.0", 30, ["canary"]), slice_("3.0", 30), slice_("4.0", 70, ["canary"]), slice_("1.0"))
    channel = Channel("f00d", entries)
    canary, others = takers(channel, "canary"), takers(channel)
    assert set(canary.values()) == {"2.0", "4.0"} and set(others.values()) == {"3.0", "1.0"}
    for device in DEVICES:
        percent = compute_position("f00d", device) / POSITIONS * 100
        assert canary[device] == ("2.0" if percent <= 30 else "4.0")
        assert others[device] == ("3.0" if percent <= 30 else "1.0")


def test_device_takes_an_entry_of_its_group_or_of_all():
    channel = Channel("f00d", (slice_("2.0", groups=["canary", "lab"]), slice_("1.0", groups=["shop"])))
    assert [
        getattr(choose_entry(channel, "pi", group), "version", None)
        for group in ("canary", "lab", "shop", "other", None)
    ] == [
        "2.0",
        "2.0",
        "1.0",
        None,
        None,
    ]


@pytest.mark.parametrize(("percent", "version"), [(0, "1.0"), (0.000001, "2.0"), (100, "2.0")])
def test_position_0_belongs_to_the_first_slice(percent, version):
    first = "pi-48153115"  # one device in a hundred million has this position
    assert compute_position("f00d", first) == 0
    assert choose_entry(Channel("f00d", (slice_("2.0", percent), slice_("1.0"))), first).version == version


def test_slices_of_100_and_of_0_percent():
    for percent, version in ((100, "2.0"), (0, "1.0")):
        assert set(takers(Channel("f00d", (slice_("2.0", percent), slice_("1.0")))).values()) == {version}


def test_three_slices_of_a_third_do_not_exceed_100_percent():
    thirds = tuple(slice_(str(number), 33.333333) for number in range(3))
    assert parse_channel(encode_channel(Channel("f00d", thirds)), "x").entries == thirds


def test_encoded_channel_is_parsed_and_unknown_keys_ignored():
    channel = Channel("f00d", (slice_("2.0", 12.5, ["canary"], "b"), slice_("1.0")), before="0" * 64)
    assert parse_channel(encode_channel(channel), "x") == channel
    values = json.loads(encode_channel(channel)) | {"later": 1}
    values["entries"][0]["later"] = {}
    assert parse_channel(json.dumps(values).encode(), "x") == channel


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("<!doctype html>", "not JSON"),
        ([], "not a JSON object"),
        ({"seed": "x"}, "no list of entries"),
        ({"entries": []}, "seed is missing"),
        ({"seed": "x", "entries": [3]}, "entry is not a JSON object"),
        ({"seed": "x", "entries": [{"version": "1"}]}, "bundle is missing"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": 1}]}, "version is not a string"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "percent": "5"}]}, "is not a number"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1\nMAINPID=1"}]}, "control characters"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "variant": "x" * 300}]}, "more than 255"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "groups": ["\x1b[2J"]}]}, "list of names"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": ["x" * 9000]}]}, "version is not a string"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "percent": True}]}, "is not a number"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "percent": -1}]}, "from 0 to 100"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "percent": 101}]}, "from 0 to 100"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "groups": "canary"}]}, "not a list of names"),
        ({"seed": "x", "entries": [{"bundle": "b", "version": "1", "groups": []}]}, "empty list of groups"),
        (
            {
                "seed": "x",
                "entries": [
                    {"bundle": "b", "version": "1", "percent": 60},
                    {"bundle": "c", "version": "2", "percent": 41},
                ],
            },
            "add up to 101 percent",
        ),
        (
            {
                "seed": "x",
                "entries": [
                    {"bundle": "b", "version": "1", "percent": 99, "groups": ["a", "b"]},
                    {"bundle": "c", "version": "2", "percent": 2, "groups": ["b", "a"]},
                ],
            },
            "groups a, b add up to 101 percent",
        ),
    ],
)
def test_invalid_channel_is_rejected(values, reason):
    text = values if isinstance(values, str) else json.dumps(values)
    with pytest.raises(ChannelError, match=reason) as caught:
        parse_channel(text.encode(), "channels/stable.json")
    assert "channels/stable.json" in str(caught.value)


def test_percent_that_is_no_number_is_rejected():
    with pytest.raises(ChannelError, match="is not a number"):
        parse_channel(b'{"seed": "x", "entries": [{"bundle": "b", "version": "1", "percent": NaN}]}', "x")


@pytest.mark.parametrize(
    "text",
    [
        b'{"seed": "\\ud800", "entries": []}',
        b'{"seed": "a", "entries": [{"bundle": "b", "version": "1", "groups": ["\\udfff"]}]}',
        b'{"seed": "a", "entries": [{"bundle": "b", "version": "1", "percent": 1' + b"0" * 400 + b"}]}",
        b'{"seed": "a", "entries": [{"bundle": "b", "version": "1", "percent": -1' + b"0" * 5000 + b"}]}",
        b'{"seed": "a", "entries": [{"bundle": "b", "version": "' + b"1" * 5000 + b'"}]}',
        b'{"seed": "a", "entries": [{"bundle": "b", "version": 1' + b"0" * 400 + b"}]}",
        b"[" * 100_000,
    ],
)
def test_contents_that_break_programs_are_one_sentence(text):
    with pytest.raises(ChannelError) as caught:
        parse_channel(text, "x")
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    str(caught.value).encode()
