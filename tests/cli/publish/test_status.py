"""Test `appliance publish status`: channels, roles, and when signatures expire."""

import json
from datetime import UTC, datetime, timedelta

from support.signed_site import Operator


def test_status_exits_1_before_something_expires(tmp_path, publish):
    Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=80))
    status, out, err = publish("status", keys=None)
    assert status == 1 and "publish refresh" in err and "in 9 days" in out
    status, out, err = publish("status", "--json")
    value = json.loads(out)
    assert status == 1 and value["soon"]
    assert [role["role"] for role in value["roles"]] == ["root", "targets", "snapshot", "timestamp"]
    assert publish("refresh")[0] == 0 and publish("status")[0] == 0


def test_json_has_roles_and_channels(tmp_path, publish):
    Operator(tmp_path).put("1.0")
    status, out, err = publish("status", "--json", keys=None)
    value = json.loads(out)
    assert (status, err, value["soon"]) == (0, "", False)
    assert set(value["roles"][0]) == {"role", "version", "expires", "keys_here"}
    assert {role["keys_here"] for role in value["roles"]} == {None}
    assert all(datetime.strptime(role["expires"], "%Y-%m-%dT%H:%M:%S%z") for role in value["roles"])
    entry = {"bundle": "bundles/colours-1.0.zip", "version": "1.0", "variant": None, "groups": [], "percent": None}
    assert value["channels"] == {"stable": [entry]}


def test_key_that_is_kept_elsewhere_is_not_here(tmp_path, publish):
    operator = Operator(tmp_path)
    (operator.keys / "root").rename(tmp_path / "safe")
    _, out, _ = publish("status", "--json")
    assert [role["keys_here"] for role in json.loads(out)["roles"]] == [False, True, True, True]
    _, out, _ = publish("status")
    assert out.count("key not here") == 1
    assert out.count("key here") == 3


def test_expired_signature_is_shown(tmp_path, publish):
    Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=91))
    status, out, err = publish("status")
    assert status == 1
    assert out.count("EXPIRED") == 3
    assert "publish refresh" in err


def test_folder_without_a_site_is_an_error(tmp_path, publish):
    (tmp_path / "site").mkdir()
    status, out, err = publish("status", keys=None)
    assert (status, out) == (1, "")
    assert str(tmp_path / "site") in err
