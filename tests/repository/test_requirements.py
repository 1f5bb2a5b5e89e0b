"""What an entry requires, and which devices fit."""

import json

import pytest

from appliance.errors import ChannelError
from appliance.repository.channel import Channel, ChannelEntry, choose_entry, encode_channel, parse_channel
from appliance.repository.requirements import (
    DeviceTraits,
    Requirements,
    describe_requirements,
    find_misfit,
    parse_requirements,
)

PI5 = DeviceTraits((480, 640), 8_000, "Raspberry Pi 5 Model B Rev 1.0")


@pytest.mark.parametrize(
    ("required", "traits", "part"),
    [
        ({"input": [320, 320]}, PI5, None),
        ({"input": [640, 480]}, PI5, "480×640 pixels, and the camera's have 640×480"),
        ({"input": [9000, 9000]}, DeviceTraits(), None),  # the camera adapts to the model
        ({"memory_mb": 8000}, PI5, None),
        ({"memory_mb": 8001}, PI5, "8001 MB of memory, and this device has 8000 MB"),
        ({"memory_mb": 1}, DeviceTraits(), "unknown amount"),
        ({"board": "raspberry pi 5"}, PI5, None),
        ({"board": "Raspberry Pi 4"}, PI5, "Raspberry Pi 4, and this is Raspberry Pi 5"),
        ({"board": "x"}, DeviceTraits(), "unknown one"),
        ({"memory_mb": 1, "tpu": True}, PI5, "tpu, which this release does not know"),
    ],
)
def test_device_fits_or_the_reason_is_named(required, traits, part):
    misfit = find_misfit(parse_requirements(required), traits)
    assert misfit is None if part is None else part in misfit


def test_device_that_does_not_fit_takes_the_next_entry():
    big = ChannelEntry("bundles/big.zip", "2.0", requires=Requirements(memory_mb=4000))
    channel = Channel("f00d", (big, ChannelEntry("bundles/small.zip", "1.0")))
    skipped = []
    taken = choose_entry(
        channel, "pi-1", None, DeviceTraits(None, 512, "Raspberry Pi Zero 2 W"), lambda *it: skipped.append(it)
    )
    assert taken.version == "1.0" and [(entry.version, "512 MB" in why) for entry, why in skipped] == [("2.0", True)]
    assert choose_entry(channel, "pi-1", None, PI5).version == "2.0"
    assert choose_entry(Channel("f00d", (big,)), "pi-1", None, DeviceTraits()) is None


def test_requirements_survive_a_channel_file_with_unknown_ones():
    required = {"input": [224, 320], "memory_mb": 900.5, "board": "Raspberry Pi", "npu": {"tops": 13}}
    entry = {"bundle": "bundles/a.zip", "version": "1", "requires": required}
    channel = parse_channel(json.dumps({"seed": "a", "entries": [entry]}).encode(), "x")
    assert json.loads(encode_channel(channel))["entries"] == [entry]
    assert describe_requirements(channel.entries[0].requires) == "frames of 320×224, 900.5 MB, Raspberry Pi, npu"


@pytest.mark.parametrize(
    "required",
    [
        [], "Pi", {"input": [1]}, {"input": [0, 5]}, {"input": [True, 5]}, {"input": [10**400, 5]}, {"input": "5x5"},
        {"memory_mb": -1}, {"memory_mb": True}, {"memory_mb": 10**400}, {"memory_mb": "1 GB"},
        {"board": ""}, {"board": 5}, {"board": "a\nb"}, {"board": "x" * 65},
    ],
)  # fmt: skip
def test_impossible_requirement_is_one_sentence(required):
    with pytest.raises(ChannelError, match="requires") as caught:
        parse_requirements(required)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
