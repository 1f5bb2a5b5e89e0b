"""Test `appliance publish` as an operator types it."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from support.bundles import bundle_folder
from support.signed_site import Device, Operator


def test_from_nothing_to_a_rollout(tmp_path, publish):
    bundle = bundle_folder(tmp_path / "mine", version=None)
    status, out, _ = publish("init")
    assert status == 0 and "update.root" in out and str(tmp_path / "keys" / "root.json") in out
    status, out, err = publish("push", bundle, "--version", "1.0")
    assert status == 0 and "channel stable: 1.0 for everyone\n" in out and "100 % of the devices change" in out
    assert "firebase deploy --only hosting" in err
    status, out, _ = publish("push", bundle, "--version", "1.1", "--percent", "20", "--variant", "b", "--json")
    value = json.loads(out)
    assert (status, value["channel"], value["changes"]) == (0, "stable", [{"group": None, "percent": 20.0}])
    entry = {"bundle": "bundles/colours-1.1.zip", "version": "1.1", "variant": "b", "groups": [], "percent": 20.0}
    assert value["entries"][0] == entry
    status, out, _ = publish("push", bundle, "--version", "1.2", "--group", "canary")
    assert "0 % of the devices change" in out and "100 % of the devices of group canary change" in out
    status, out, _ = publish("promote", "--variant", "b", "--percent", "50")
    assert status == 0 and "30 % of the devices change" in out
    assert publish("promote", "--version", "1.2", "--channel", "late", "--from", "stable")[0] == 0
    status, out, _ = publish("rollback")
    assert status == 0 and "back to colours 1.2, colours 1.1, colours 1.0\n" in out
    assert publish("rotate", "timestamp")[0] == 0
    assert publish("refresh", "--days", "30")[0] == 0
    status, out, err = publish("status")
    assert status == 0
    assert "channel stable: 1.2 for group canary; 1.1 for 20 % of everyone (variant b); 1.0 for everyone else" in out
    assert "key here" in out and "in 29 days" in out
    status, out, _ = publish("check")
    assert status == 0 and "NOT OK" not in out and out.count("ok ") == 6


@pytest.mark.parametrize(
    ("action", "words", "status", "fact"),
    [
        ("push", ["nothing.zip"], 1, r"nothing\.zip"),
        ("promote", ["--from", "beta"], 1, "'beta'.*stable"),
        ("promote", [], 1, "more devices"),
        ("rollback", ["--version", "7"], 1, r"7.*1\.0"),
        ("rollback", ["--channel", "beta"], 1, "'beta'.*stable"),
        ("pause", ["beta"], 1, "'beta'.*stable"),
        ("withdraw", ["flowers"], 1, r"'flowers'.*colours 1\.0"),
        ("push", ["nothing.zip", "--requires-input", "big"], 2, "--requires-input must be WIDTHxHEIGHT"),
        ("push", ["nothing.zip", "--requires-memory", "-1"], 2, "memory_mb.*correct --requires-memory"),
        ("prune", ["--hours", "-1"], 2, "--hours"),
        ("sync", [], 2, "DEST"),
        ("sync", ["host:/srv/www"], 2, "--command"),
        ("pull", [], 1, "--served"),
        ("rotate", ["mirror"], 1, "'mirror'.*timestamp"),
        ("promote", ["--percent", "101"], 2, "--percent must be from 0 to 100"),
        ("refresh", ["--days", "0"], 2, "--days must be"),
        ("init", [], 1, "keys"),
    ],
)
def test_errors_are_one_line(tmp_path, publish, action, words, status, fact):
    Operator(tmp_path).put("1.0")
    found, out, err = publish(action, *words)
    assert (found, out) == (status, "")
    assert re.search(fact, err)
    assert err.count("\n") == 1


def test_plain_file_server_is_enough(tmp_path, publish):
    """`python -m http.server` supports neither ranges nor conditional requests."""
    bundle = bundle_folder(tmp_path / "mine", version="1.0")
    publish("init")
    publish("push", bundle)
    shutil.copy(tmp_path / "keys" / "root.json", tmp_path / "root.json")
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(tmp_path / "site"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            port = server.stdout.readline().split(" port ")[1].split()[0]
            url = f"http://127.0.0.1:{port}"
            assert publish("check", site=url)[0] == 0
            assert Device(tmp_path / "device", tmp_path / "root.json", url).fetch().is_file()
        finally:
            server.terminate()
