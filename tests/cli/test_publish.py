"""`appliance publish` as an operator types it."""

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from appliance.cli import main
from support.bundles import bundle_folder
from support.model_server import ModelServer
from support.signed_site import Device, Operator


@pytest.fixture
def publish(tmp_path, capsys):
    """Runs one action on the site below the test's folder: exit status, standard output, standard error."""

    def run(action, *words, site=tmp_path / "site", keys=tmp_path / "keys"):
        status = main(
            ["publish", action, *map(str, words), "--site", str(site), *(["--keys", str(keys)] if keys else [])]
        )
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


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


def test_status_exits_1_before_something_expires(tmp_path, publish):
    Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=80))
    status, out, err = publish("status", keys=None)
    assert status == 1 and "publish refresh" in err and "in 9 days" in out
    status, out, err = publish("status", "--json")
    value = json.loads(out)
    assert status == 1 and value["soon"]
    assert [role["role"] for role in value["roles"]] == ["root", "targets", "snapshot", "timestamp"]
    assert publish("refresh")[0] == 0 and publish("status")[0] == 0


def test_refresh_signs_the_root_if_the_rest_would_outlive_it(tmp_path, publish):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=250))
    (operator.keys / "root").rename(tmp_path / "safe")
    _, out, err = publish("refresh", "--days", "200")
    assert f"until {datetime.now(UTC) + timedelta(days=115):%Y-%m-%d}" in out and "--root-keys" in err
    _, out, err = publish("refresh", "--days", "200", "--root-keys", tmp_path / "safe")
    assert f"until {datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}" in out and "--root-keys" not in err
    _, out, err = publish("refresh", "--days", "400", "--root-keys", tmp_path / "safe")
    assert f"until {datetime.now(UTC) + timedelta(days=365):%Y-%m-%d}" in out and "--root-keys" not in err


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


@pytest.mark.parametrize(
    ("action", "words", "status", "fact"),
    [
        ("push", ["nothing.zip"], 1, r"nothing\.zip"),
        ("promote", ["--from", "beta"], 1, "'beta'.*stable"),
        ("promote", [], 1, "more devices"),
        ("rollback", ["--version", "7"], 1, r"7.*1\.0"),
        ("rollback", [], 1, "stable"),
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


def test_passphrase_comes_from_a_file(tmp_path, publish):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    assert publish("init", "--passphrase-file", secret)[0] == 0
    assert publish("refresh", "--passphrase-file", secret)[0] == 0
    status, _, err = publish("refresh")
    assert status == 1 and "--passphrase-file" in err
    status, _, err = publish("refresh", "--passphrase-file", tmp_path / "none")
    assert status == 1 and "cannot be read" in err


def test_address_cannot_be_changed(tmp_path, publish):
    status, _, err = publish("refresh", site="https://example.org")
    assert status == 2 and "--site" in err and "folder" in err


def test_missing_extra_names_what_to_install(tmp_path):
    program = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "cryptography":
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
from appliance.cli import main
sys.exit(main(["publish", "init", "--site", "site", "--keys", "keys"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (
        done.returncode == 1 and "sources: pip install '.[publish]'" in done.stderr and "Traceback" not in done.stderr
    )


def test_plain_file_server_is_enough(tmp_path, publish):
    """`python -m http.server`, which knows neither ranges nor conditions."""
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
