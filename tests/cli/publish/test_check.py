"""Test `appliance publish check`: one finding per line, of a folder or an address."""

import json

from support.model_server import ModelServer
from support.signed_site import Operator


def test_check_exits_1_for_files_and_over_the_network(tmp_path, publish):
    operator = Operator(tmp_path)
    operator.put("1.0")
    operator.target("*.zip").write_bytes(b"other")
    with ModelServer(operator.site) as server:
        for site in (operator.site, server.url()):
            status, out, _ = publish("check", site=site)
            assert status == 1 and out.count("NOT OK") == 1 and "colours-1.0.zip" in out
    status, out, _ = publish("check", "--json")
    assert status == 1 and [finding["ok"] for finding in json.loads(out)] == [True, False, True]


def test_good_site_exits_0_with_and_without_keys(tmp_path, publish):
    Operator(tmp_path).put("1.0")
    for keys in (tmp_path / "keys", None):
        status, out, _ = publish("check", "--json", keys=keys)
        findings = json.loads(out)
        assert status == 0
        assert all(set(finding) == {"ok", "what"} and finding["ok"] for finding in findings)


def test_site_of_other_keys_is_not_ok(tmp_path, publish):
    Operator(tmp_path / "mine")
    other = Operator(tmp_path / "other")
    status, out, _ = publish("check", site=other.site, keys=tmp_path / "mine" / "keys")
    assert status == 1
    assert "NOT OK" in out


def test_address_needs_keys(tmp_path, publish):
    status, out, err = publish("check", site="http://127.0.0.1:1", keys=None)
    assert (status, out) == (1, "")
    assert "--keys" in err


def test_address_without_a_site_is_not_ok(tmp_path, publish):
    Operator(tmp_path / "mine")
    with ModelServer(tmp_path) as server:
        status, out, _ = publish("check", "--json", site=server.url("/nothing"), keys=tmp_path / "mine" / "keys")
    assert status == 1
    assert [finding["ok"] for finding in json.loads(out)] == [False]
