"""Prune a site, as an operator types it."""

import json

from support.bundles import bundle_folder


def test_prune_prints_what_it_deleted_and_what_waits(tmp_path, publish):
    publish("init")
    bundle = bundle_folder(tmp_path / "mine", version="1.0")
    publish("push", bundle)
    publish("push", bundle, "--version", "1.1")
    status, out, _ = publish("prune", "--keep", "0")
    assert status == 0 and "colours-1.0.zip is no longer signed" in out and "0 files deleted" in out
    assert "24 hours after" in out
    value = json.loads(publish("prune", "--hours", "0", "--json")[1])
    assert any("colours-1.0.zip" in path for path in value["deleted"]) and value["removed"] == []
    assert publish("check")[0] == 0


def test_impossible_limits_are_wrong_usage(publish):
    assert publish("prune", "--keep", "-1")[0] == publish("prune", "--hours", "nan")[0] == 2
