"""Test what is printed about a changed channel."""

import json
from argparse import Namespace

import pytest

from appliance.cli.publish.output import channel_as_dict, entry_as_dict, print_channel, print_upload_hint
from appliance.repository.channel import ChannelEntry
from appliance.workshop.publishing.channels import RolloutChange
from appliance.workshop.publishing.publisher import ChannelResult

ENTRY = ChannelEntry("bundles/a-1.zip", "1", "b", frozenset({"night", "canary"}), 20.0)
RESULT = ChannelResult("stable", (ENTRY,), (RolloutChange(None, 0.0), RolloutChange("canary", 12.5)))


def test_json_keys_of_an_entry_stay():
    assert entry_as_dict(ENTRY) == {
        "bundle": "bundles/a-1.zip", "version": "1", "variant": "b", "groups": ["canary", "night"], "percent": 20.0,
    }  # fmt: skip


def test_json_keys_of_a_channel_stay():
    assert channel_as_dict(RESULT) == {
        "channel": "stable",
        "entries": [entry_as_dict(ENTRY)],
        "changes": [{"group": None, "percent": 0.0}, {"group": "canary", "percent": 12.5}],
    }


def test_json_is_all_that_is_printed(capsys):
    assert print_channel(RESULT, Namespace(json=True, site="site")) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == channel_as_dict(RESULT)
    assert err == ""


@pytest.mark.parametrize("fact", ["stable", "0 % of the devices ", "12.5 % of the devices of group canary"])
def test_text_has_each_groups_change(fact, capsys):
    assert print_channel(RESULT, Namespace(json=False, site="site")) == 0
    assert fact in capsys.readouterr().out


def test_upload_hint_goes_to_standard_error(capsys):
    print_upload_hint("my/site")
    out, err = capsys.readouterr()
    assert out == ""
    assert "(cd my/site && firebase deploy --only hosting)" in err
