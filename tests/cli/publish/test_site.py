"""Test opening a site and its keys: passphrases, addresses, and missing libraries."""

import os
import pty
import subprocess
import sys
from argparse import Namespace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from appliance.cli.publish.site import open_keys, open_publisher
from appliance.errors import PublishError, UsageError
from support.paths import CHILD_ENVIRONMENT
from support.training import read_until


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
    assert done.returncode == 1
    assert "pip install '.[publish]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_passphrase_is_the_first_line_of_its_file(tmp_path):
    (tmp_path / "secret").write_bytes("geöffnet \r\nnot this\n".encode())
    keys = open_keys(make_arguments(tmp_path, passphrase_file=tmp_path / "secret"), encrypt=True)
    keys.create("timestamp")
    (file,) = (tmp_path / "keys").glob("timestamp-*.pem")
    assert load_pem_private_key(file.read_bytes(), "geöffnet ".encode())


def test_unreadable_passphrase_file_is_an_error(tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    keys = open_keys(make_arguments(tmp_path, passphrase_file=tmp_path / "secret"), encrypt=True)
    with pytest.raises(PublishError, match="secret"):
        keys.create("timestamp")


@pytest.mark.parametrize(("typed", "accepted"), [(("one", "one"), True), (("one", "two"), False)])
def test_new_passphrase_is_asked_twice_on_a_terminal(typed, accepted, tmp_path):
    program = """
import sys
from argparse import Namespace
from pathlib import Path
from appliance.cli.publish.site import open_keys
from appliance.errors import PublishError
try:
    open_keys(Namespace(keys=Path(sys.argv[1]), root_keys=None), encrypt=True).create("timestamp")
except PublishError as error:
    sys.exit(str(error))
"""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program, str(tmp_path / "keys")]
    # Start a new session, so that its terminal is the one below, from which getpass reads.
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=CHILD_ENVIRONMENT, start_new_session=True
    ) as process:
        os.close(theirs)
        for line in typed:
            read_until(ours, b": ")
            os.write(ours, line.encode() + b"\n")
        read_until(ours, b"no end of it")
    os.close(ours)
    assert process.returncode == (0 if accepted else 1)
    assert len(list(tmp_path.rglob("*.pem"))) == accepted


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_out_of_range_are_wrong_usage(days, tmp_path):
    with pytest.raises(UsageError, match="--days"):
        open_publisher(make_arguments(tmp_path, days=days))


def test_days_are_the_lifetime_of_signatures(tmp_path):
    publisher = open_publisher(make_arguments(tmp_path, days=7))
    assert publisher.lifetime == timedelta(days=7)
    assert publisher.site == tmp_path / "site"
    assert publisher.keys.root_folder == tmp_path / "keys" / "root"


def make_arguments(folder, **more):
    defaults = {"site": str(folder / "site"), "keys": folder / "keys", "root_keys": None, "days": 90}
    defaults |= {"served": None, "trust_clock": False}
    return Namespace(**defaults | more)
