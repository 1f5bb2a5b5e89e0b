"""Test `appliance publish rollback`: restore a channel, or give one version to every device."""

import json

import pytest

from support.signed_site import Operator


@pytest.fixture
def operator(tmp_path):
    operator = Operator(tmp_path)
    operator.put("1.0")
    operator.publisher().promote("late", source="stable")
    operator.put("1.1", channel="beta")
    operator.publisher().promote("stable", source="beta")
    return operator


def test_json_has_the_bundles_in_force(operator, publish):
    status, out, _ = publish("rollback", "--json")
    value = json.loads(out)
    assert (status, value["bundles"], value["channel"]) == (0, ["colours 1.0"], "stable")
    assert [entry["version"] for entry in value["entries"]] == ["1.0"]
    assert value["changes"] == [{"group": None, "percent": 100.0}]


def test_version_is_given_to_every_device(operator, publish):
    status, out, _ = publish("rollback", "--version", "1.0", "--channel", "beta")
    assert status == 0
    assert "colours 1.0" in out
    assert "100 % of the devices" in out


def test_channel_without_a_previous_content_fails(operator, publish):
    assert publish("rollback", "--channel", "late")[1].startswith("back to nothing\nchannel late: empty")
    status, out, err = publish("rollback", "--channel", "late")
    assert (status, out) == (1, "")
    assert "late" in err
