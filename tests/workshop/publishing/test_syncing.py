"""Uploads in an order that never breaks a device, into folders and with commands."""

import os
import shutil
import time

import pytest

from appliance.errors import PublishError, SourceError
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.syncing import list_steps, sync_to_folder, sync_with_command
from support.model_server import ModelServer
from support.publishing import list_faults, read_files
from support.signed_site import Device


@pytest.fixture
def served(tmp_path, operator):
    """A site with a version on a server, and a device that has seen it."""
    operator.put("1.0")
    sync_to_folder(operator.site, tmp_path / "web")
    with ModelServer(tmp_path / "web") as server:
        seen = Device(tmp_path / "seen", operator.root, server.url())
        assert seen.version() == "1.0"
        yield tmp_path / "web", seen


def copy_in_steps(operator, web):
    """Copy one file after another in the order of the steps; yield after each file."""
    with SignedSite(operator.site) as site:
        paths = [path for step in list_steps(site) for path in step.files]
    for path in paths:
        (web / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(operator.site / path, web / path)
        yield path


@pytest.mark.slow
@pytest.mark.parametrize(
    "rotations", [[["timestamp"]], [["root", "targets", "snapshot", "timestamp"]], [["timestamp"]] * 2]
)
def test_no_file_of_an_upload_after_rotations_breaks_a_device(operator, served, tmp_path, rotations):
    web, seen = served
    for roles in rotations:
        operator.publisher().rotate(roles)
    operator.put("2.0")
    for number, path in enumerate(copy_in_steps(operator, web)):
        fresh = Device(tmp_path / f"fresh-{number}", operator.root, seen.settings.url)
        assert seen.version() in ("1.0", "2.0") and fresh.version() in ("1.0", "2.0"), path
    assert seen.version() == "2.0" and list_faults(operator.site, operator.root) == []


def test_roots_first_would_break_devices(operator, served):
    """The reason for the order: a new root rejects the timestamp that is still served."""
    web, seen = served
    operator.publisher().rotate(["timestamp"])
    shutil.copyfile(operator.site / "metadata/2.root.json", web / "metadata/2.root.json")
    with pytest.raises(SourceError):
        seen.version()


def test_folder_gets_only_what_changed_and_no_hidden_file(operator, served, tmp_path):
    web, _ = served
    operator.publisher(served=str(web)).refresh()
    assert (operator.site / ".publish.json").exists()
    assert sync_to_folder(operator.site, web).uploaded == 3
    assert sync_to_folder(operator.site, web).uploaded == 0
    assert not any(name.startswith(".") or name == "firebase.json" for name in read_files(web))


def test_old_files_are_deleted_after_an_hour_and_two_uploads(operator, served):
    web, seen = served
    operator.put("2.0")
    operator.publisher().withdraw("1.0")
    SitePublisher(operator.site, KeyFolder(operator.keys)).prune(hours=0)
    old = next((web / "targets/bundles").glob("*colours-1.0.zip"))
    assert sync_to_folder(operator.site, web).deleted == 0 and old.exists(), "a device may be fetching it"
    assert sync_to_folder(operator.site, web).deleted == 0 and old.exists()
    hours_ago = time.time() - 2 * 3600
    os.utime(web / "metadata/timestamp.json", (hours_ago, hours_ago))
    assert sync_to_folder(operator.site, web).deleted >= 2 and not old.exists()
    assert seen.version() == "2.0" and list_faults(web, operator.root) == []


@pytest.mark.parametrize("place", ["site", "site/web", "."])
def test_folder_that_contains_the_site_is_refused(operator, tmp_path, place):
    with pytest.raises(PublishError, match="the same, or one is inside"):
        sync_to_folder(operator.site, tmp_path / place)


def test_incomplete_site_or_a_private_key_is_not_uploaded(operator, tmp_path):
    operator.put("1.0")
    key = operator.site / "keys/targets-1.pem"
    key.parent.mkdir()
    shutil.copyfile(next(operator.keys.glob("targets-*.pem")), key)
    with pytest.raises(PublishError, match="is a private key"):
        sync_to_folder(operator.site, tmp_path / "web")
    key.unlink()
    operator.target("*.zip").write_bytes(b"x")
    with pytest.raises(PublishError, match="missing or was modified"):
        sync_to_folder(operator.site, tmp_path / "web")
    with pytest.raises(PublishError, match="does not exist; create it"):
        sync_to_folder(operator.site, tmp_path / "no/web")
    assert not (tmp_path / "web").exists()


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
@pytest.mark.parametrize("with_source", [True, False])
def test_rsync_uploads_in_order_and_the_result_is_looked_at(operator, served, tmp_path, with_source):
    web, seen = served
    operator.publisher(served=seen.settings.url).rotate(["timestamp"])
    operator.put("2.0")
    command, dest = (f"rsync -a {operator.site}/ {web}/", None) if with_source else ("rsync -rt", f"{web}/")
    result = sync_with_command(operator.site, command, dest, operator.keys)
    assert result.is_served and seen.version() == "2.0" and list_faults(web, operator.root) == []
    assert not (web / ".publish.json").exists()
    operator.put("3.0")
    other = sync_with_command(operator.site, "rsync -a", f"{tmp_path}/elsewhere/", operator.keys)
    assert other.is_served is False and "not uploaded yet" in other.message


def test_command_runs_for_each_file_in_order(operator):
    operator.put("1.0")
    operator.publisher().rotate(["timestamp"])
    ran = []
    sync_with_command(
        operator.site, "put --to {dest}/{file} {site}/{file}", "s3://b", run=lambda words: ran.append(words) or 0
    )
    uploaded = [words[2].removeprefix("s3://b/") for words in ran]
    assert uploaded[-3:] == ["metadata/timestamp.json", "metadata/1.root.json", "metadata/2.root.json"]
    assert ran[0][3] == f"{operator.site}/{uploaded[0]}" and "firebase.json" not in uploaded


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("", "empty"),
        ("'rsync", "quotes"),
        ("scp -r", r"must contain \{file\}"),
        ("rsync -a --delete", "leave out --delete"),
        ("false {file}", "status 1 while uploading the targets"),
        ("no-such-program {files}", "cannot be run"),
    ],
)
def test_command_that_cannot_work_is_one_sentence(operator, command, reason):
    with pytest.raises(PublishError, match=reason) as caught:
        sync_with_command(operator.site, command, None)
    assert "\n" not in str(caught.value)
