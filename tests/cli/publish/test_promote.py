"""Test `appliance publish promote`: roll out a model to more devices, or to another channel."""

import json

from support.signed_site import Operator


def test_larger_slice_changes_the_added_devices_only(tmp_path, publish):
    Operator(tmp_path).put("1.0", percent=20.0)
    status, out, _ = publish("promote", "--percent", "50", "--json")
    value = json.loads(out)
    assert status == 0
    assert [(entry["version"], entry["percent"]) for entry in value["entries"]] == [("1.0", 50.0)]
    assert value["changes"] == [{"group": None, "percent": 30.0}]


def test_without_percent_every_device_gets_the_model(tmp_path, publish):
    Operator(tmp_path).put("1.0", percent=20.0)
    status, out, err = publish("promote")
    assert status == 0
    assert "80 % of the devices" in out
    assert str(tmp_path / "site") in err


def test_model_of_another_channel_is_added(tmp_path, publish):
    Operator(tmp_path).put("1.0", channel="beta")
    status, out, _ = publish("promote", "--from", "beta", "--json")
    value = json.loads(out)
    assert (status, value["channel"], value["entries"][0]["version"]) == (0, "stable", "1.0")


def test_absent_version_is_an_error_that_names_it(tmp_path, publish):
    Operator(tmp_path).put("1.0", percent=20.0)
    status, out, err = publish("promote", "--version", "9.9")
    assert (status, out) == (1, "")
    assert "9.9" in err
