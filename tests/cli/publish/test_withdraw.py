"""Withdraw a bundle and pause a channel, as an operator types it."""

import json

from support.bundles import bundle_folder


def test_withdraw_and_pause_print_what_devices_get(tmp_path, publish):
    publish("init")
    bundle = bundle_folder(tmp_path / "mine", version="1.0")
    publish("push", bundle)
    publish("push", bundle, "--version", "1.1")
    status, out, _ = publish("withdraw", "colours 1.1")
    assert status == 0 and "colours 1.1 is withdrawn" in out and "channel stable: 1.0 for everyone" in out
    assert json.loads(publish("pause", "stable", "--json")[1])["entries"] == []
    assert publish("rollback")[1].startswith("back to colours 1.0")
    value = json.loads(publish("withdraw", "1.0", "--json")[1])
    assert (value["bundle"], value["channels"][0]["entries"]) == ("colours 1.0", [])
