"""Test `appliance publish push`: the pushed model and its channel."""

import json

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.cli import main
from support import made_models
from support.bundles import bundle_folder


@pytest.fixture
def bundle(tmp_path):
    return bundle_folder(tmp_path / "mine", version="1.0")


def test_json_has_model_size_and_channel(publish, bundle):
    publish("init")
    status, out, _ = publish("push", bundle, "--json")
    assert status == 0
    value = json.loads(out)
    assert value.pop("size_bytes") > 1000
    assert value == {
        "model": read_bundle(bundle).identity.as_dict(),
        "known": False,
        "channel": "stable",
        "entries": [
            {"bundle": "bundles/colours-1.0.zip", "version": "1.0", "variant": None, "groups": [], "percent": None}
        ],
        "changes": [{"group": None, "percent": 100.0}],
    }


def test_same_bundle_on_another_channel_is_known(publish, bundle):
    publish("init")
    publish("push", bundle, "--channel", "stable")
    status, out, _ = publish("push", bundle, "--channel", "beta", "--json")
    assert status == 0
    assert (json.loads(out)["known"], json.loads(out)["channel"]) == (True, "beta")


def test_model_that_crashes_is_not_pushed(publish, tmp_path):
    publish("init")
    status, out, err = publish("push", bundle_folder(tmp_path / "bad", model=made_models.crashes()))
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert list((tmp_path / "site" / "targets").rglob("*.zip")) == []


def test_percent_out_of_range_is_wrong_usage(publish, bundle):
    publish("init")
    status, _, err = publish("push", bundle, "--percent", "-1")
    assert status == 2
    assert "--percent" in err


@pytest.mark.parametrize("given", [[], ["--site", "site"], ["--keys", "keys"]])
def test_site_and_keys_are_both_needed(given, bundle, capsys):
    assert main(["publish", "push", str(bundle), *given]) == 2
    err = capsys.readouterr().err
    assert "--site" in err
    assert "--keys" in err
    assert "--firebase-ml" in err
