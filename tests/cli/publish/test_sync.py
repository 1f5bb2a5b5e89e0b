"""Upload a site, as an operator types it."""

import shutil

import pytest


def test_folder_gets_the_site_once(tmp_path, publish):
    publish("init")
    status, out, err = publish("sync", tmp_path / "web")
    assert (status, out) == (0, "5 files uploaded.\n") and "contains this copy" in err
    assert publish("sync", tmp_path / "web")[1] == "0 files uploaded.\n"


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
def test_command_gets_the_destination(tmp_path, publish):
    publish("init")
    assert publish("sync", f"{tmp_path}/web/", "--command", "rsync -rt")[:2] == (0, "5 files uploaded.\n")
    assert (tmp_path / "web/metadata/timestamp.json").is_file() and not (tmp_path / "web/firebase.json").exists()


@pytest.mark.parametrize("dest", ["host:/srv/www", "https://models.example.org", "me@host:www"])
def test_remote_destination_without_a_command_is_wrong_usage(publish, dest):
    status, out, err = publish("sync", dest)
    assert (status, out) == (2, "") and "--command" in err
