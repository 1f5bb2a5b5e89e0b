"""Test the signed repository from a device: what it installs, what a check costs, and every attack that TUF defines."""

import contextlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from tuf.api.metadata import Metadata

from appliance.bundle.bundle import read_bundle
from appliance.errors import HttpStatusError, PublishError, SourceError, SourceSettingsError
from appliance.repository.requirements import Requirements
from support.model_server import Body, Endless, ModelServer, Status, Truncate
from support.paths import CHILD_ENVIRONMENT
from support.publisher import logged
from support.signed_site import Device, Operator, bundle_zip, forge, named

ROOT_PATH, STAMP = "/metadata/2.root.json", "/metadata/timestamp.json"


@pytest.fixture
def operator(tmp_path):
    operator = Operator(tmp_path)
    operator.put("1.0")
    return operator


@pytest.fixture
def server(operator):
    with ModelServer(operator.site) as server:
        yield server


@pytest.fixture
def device(tmp_path, operator, server):
    return Device(tmp_path / "device", operator.root, server.url())


def refused(device, words):
    """Check that the device updates nothing and reports why, and then accepts the good repository again."""
    with pytest.raises(SourceError, match=words) as caught:
        device.version()
    assert not isinstance(caught.value, SourceSettingsError)
    return str(caught.value)


# What is offered


def test_a_device_takes_what_its_channel_names(device, operator, server):
    offer = device.check()
    assert (offer.version, offer.name, offer.pinned, offer.variant) == ("1.0", "colours", True, None)
    assert offer.size_bytes == len(bundle_zip("1.0"))
    assert read_bundle(device.fetch()).identity.version == "1.0"
    operator.put("2.0", variant="b")
    newer = device.check()
    assert (newer.version, newer.variant) == ("2.0", "b") and newer.hash != offer.hash
    assert read_bundle(device.fetch()).identity.version == "2.0"


def test_the_operator_may_name_an_older_bundle(device, operator):
    operator.put("2.0")
    assert device.version() == "2.0"
    operator.put("1.0")
    assert (device.version(), device.check().pinned) == ("1.0", True)


def test_groups_and_slices_decide_who_is_offered_what(tmp_path, operator, server):
    operator.put("2.0", groups=frozenset(["canary"]))
    plain = Device(tmp_path / "plain", operator.root, server.url())
    canary = Device(tmp_path / "canary", operator.root, server.url(), group="canary")
    assert (plain.version(), canary.version()) == (None, "2.0")


def test_a_channel_that_is_not_there_is_said_with_those_that_are(tmp_path, operator, server):
    operator.put("1.0", channel="beta")
    with pytest.raises(SourceSettingsError, match="no channel 'stabel'.*it has beta, stable"):
        Device(tmp_path / "device", operator.root, server.url(), channel="stabel").check()


def test_a_bundle_larger_than_the_settings_allow_is_not_offered(tmp_path, operator, server):
    with pytest.raises(SourceSettingsError, match="update.max_bytes"):
        Device(tmp_path / "device", operator.root, server.url(), max_bytes=1024).check()


def test_a_broken_download_is_resumed(device, operator, server):
    path = "/" + operator.target("*.zip").relative_to(operator.site).as_posix()
    server.fault(path, Truncate(1000), times=1)
    assert read_bundle(device.fetch()).identity.version == "1.0"
    assert [request.headers.get("range") for request in server.asked(path)] == [None, "bytes=1000-"]


def test_repository_url_may_end_with_a_slash(tmp_path, operator):
    with ModelServer() as server:
        server.put_folder(operator.site, "/models/v1/")
        for number, url in enumerate((server.url("/models/v1"), server.url("/models/v1/"))):
            assert Device(tmp_path / f"device-{number}", operator.root, url).version() == "1.0"


def test_check_without_news_costs_two_requests(device, operator, server):
    """`pytest -s` prints the requests and bytes of such a check."""
    device.check()
    server.requests.clear()
    device.check()
    page, stamp = server.requests
    print(f"\na check that finds nothing: {[(each.path, each.status, each.sent) for each in server.requests]}")
    assert [(each.path, each.status) for each in server.requests] == [(ROOT_PATH, 404), (STAMP, 200)]
    assert stamp.sent <= 2000 and page.sent - len(b"<!doctype html><title>Not found</title>") + stamp.sent <= 2000


def test_signatures_are_checked_without_cryptography(tmp_path, operator, server, device):
    """A device needs no extra package: tuf includes what is needed to check ed25519 signatures."""
    program = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cryptography", "cffi"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
from pathlib import Path
from appliance.settings.schema import UpdateSettings
from appliance.updates.sources.open import open_source
settings = UpdateSettings(source="repository", url={server.url()!r}, root=Path({str(operator.root)!r}))
print(open_source(settings, "pi-1", Path({str(tmp_path)!r})).check().version, "cryptography" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=CHILD_ENVIRONMENT
    )
    assert done.stdout.split() == ["1.0", "False"], done.stderr
    forged = Metadata.from_bytes(operator.file("timestamp").read_bytes())
    forged.signed.version += 1
    operator.file("timestamp").write_bytes(forged.to_bytes())
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=CHILD_ENVIRONMENT
    )
    assert "not signed with the keys" in done.stderr


# Trust


def test_nothing_is_trusted_on_first_use(tmp_path, operator, server):
    """The root on the server belongs to someone else: a device trusts only the root it was installed with."""
    stranger = Operator(tmp_path / "stranger")
    stranger.put("6.6.6")
    with ModelServer(stranger.site) as other, pytest.raises(SourceError, match="not signed with the keys"):
        Device(tmp_path / "device", operator.root, other.url()).check()


def test_a_root_that_is_missing_or_damaged_is_said(tmp_path, operator, server):
    for content, words in ((None, "cannot be read"), (b"{}", "cannot be used"), (b"", "cannot be used")):
        root = tmp_path / "given.json"
        if content is not None:
            root.write_bytes(content)
        with pytest.raises(SourceSettingsError, match=words):
            Device(tmp_path / "device", root, server.url()).check()


def test_a_server_of_something_else_is_said(tmp_path, operator):
    with ModelServer() as empty:
        device = Device(tmp_path / "device", operator.root, empty.url())
        refused(device, "not a model repository: .*timestamp.json.*404")


@pytest.mark.parametrize(("status", "wait_s"), [(429, 120), (503, None), (500, None)])
def test_a_server_in_trouble_is_asked_again_when_it_wishes(device, operator, server, status, wait_s):
    server.fault(STAMP, Status(status, headers={"Retry-After": str(wait_s)} if wait_s else {}))
    with pytest.raises(HttpStatusError) as caught:
        device.check()
    assert (caught.value.status, caught.value.retry_after_s) == (status, wait_s)
    server.mend()
    channel = "/" + operator.target("channels/*.json").relative_to(operator.site).as_posix()
    server.fault(channel, Status(status, headers={"Retry-After": str(wait_s)} if wait_s else {}))
    with pytest.raises(HttpStatusError) as caught:
        device.check()
    assert (caught.value.status, caught.value.retry_after_s) == (status, wait_s)
    server.mend()
    assert device.version() == "1.0"


def test_host_may_answer_403_for_missing_files(device, server):
    """Cloud Storage does this if listing is not allowed."""
    server.fault(ROOT_PATH, Status(403))
    assert device.version() == "1.0"


def test_host_that_answers_with_a_page_is_recognized(device, server):
    server.fault(ROOT_PATH, Body(b"<!doctype html><title>app</title>", "text/html"))
    refused(device, "2.root.json is not metadata: .*rewrite")


# Attacks


def test_rollback_an_older_repository_is_put_up_again(tmp_path, device, operator):
    old = shutil.copytree(operator.site, tmp_path / "old")
    operator.put("2.0")
    assert device.version() == "2.0"
    shutil.rmtree(operator.site)
    shutil.copytree(old, operator.site)
    refused(device, "timestamp.json is rejected: it is older")


@pytest.mark.parametrize("stolen", [("timestamp",), ("timestamp", "snapshot")])
def test_rollback_with_stolen_keys(device, operator, stolen):
    """A thief with the push keys, except the targets key, cannot bring back what was replaced."""
    old_targets, old_snapshot = operator.file("targets"), operator.file("snapshot")
    operator.put("2.0")
    assert device.version() == "2.0"
    stamp = operator.file("timestamp")
    version = Metadata.from_bytes(stamp.read_bytes()).signed.version
    if "snapshot" in stolen:
        newest = operator.file("snapshot")
        next_one = newest.with_name("9.snapshot.json")
        forge(newest, operator.stolen("snapshot"), next_one, version=9, meta={"targets.json": named(old_targets)})
        forge(stamp, operator.stolen("timestamp"), version=version + 1, snapshot_meta=named(next_one))
    else:
        forge(stamp, operator.stolen("timestamp"), version=version + 1, snapshot_meta=named(old_snapshot))
    refused(device, "is older")


def test_freeze_old_metadata_is_served_for_ever(device, operator, server):
    """Old metadata cannot be detected until it expires; then updating stops with an error."""
    operator.put("2.0", now=datetime.now(UTC) - timedelta(days=91))
    said = refused(device, "timestamp.json is expired")
    assert "labeling continues" in said and "publish refresh" in said
    operator.publisher().refresh()
    assert device.version() == "2.0"


@pytest.mark.parametrize("role", ["targets", "snapshot"])
def test_each_role_expires_by_itself(device, operator, role):
    stamp = operator.file("timestamp")
    file = operator.file(role)
    forge(file, operator.stolen(role), expires=datetime.now(UTC).replace(microsecond=0) - timedelta(days=1))
    if role == "targets":
        forge(operator.file("snapshot"), operator.stolen("snapshot"), meta={"targets.json": named(file)})
    forge(stamp, operator.stolen("timestamp"), snapshot_meta=named(operator.file("snapshot")))
    refused(device, f"{role}.* is expired")


def test_an_expired_root_stops_updating(tmp_path):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=366))
    operator.put("1.0")
    with ModelServer(operator.site) as server:
        device = Device(tmp_path / "device", operator.root, server.url())
        refused(device, "root.json is expired")
        operator.publisher().refresh()  # the root key is available here
        assert device.version() == "1.0"


@pytest.mark.parametrize("same_length", [True, False])
def test_a_tampered_target(device, operator, same_length):
    file = operator.target("*.zip")
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]) if same_length else good + b"more")
    with pytest.raises(SourceError, match="does not match its signature" if same_length else "announced"):
        device.fetch()
    assert not list((device.folder / "fetched").glob("*.zip"))
    file.write_bytes(good)
    assert read_bundle(device.fetch()).identity.version == "1.0"


def test_broken_tampered_download_spoils_no_later_one(device, operator, server):
    file = operator.target("*.zip")
    path, good = "/" + file.relative_to(operator.site).as_posix(), file.read_bytes()
    for _ in range(2):
        server.fault(path, Body(bytes(len(good))), times=1)
    with pytest.raises(SourceError, match="does not match its signature"):
        device.fetch()
    server.mend()
    assert read_bundle(device.fetch()).identity.version == "1.0"


def test_an_endless_target(device, operator, server):
    path = "/" + operator.target("*.zip").relative_to(operator.site).as_posix()
    server.fault(path, Endless())
    with pytest.raises(SourceError, match="more than the .* bytes announced"):
        device.fetch()


def test_a_tampered_channel(device, operator):
    file = operator.target("*.stable.json")
    good = file.read_bytes()
    file.write_bytes(good.replace(b"1.0", b"6.6"))
    refused(device, "does not match its signature")
    file.write_bytes(good)
    assert device.version() == "1.0"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("how", ["value", "garbage", "empty", "deep"])
def test_tampered_metadata(device, operator, server, role, how):
    file = operator.file(role)
    good = file.read_bytes()
    if how == "value":
        forge(file, None, version=77)
    else:
        file.write_bytes({"garbage": b"\x00\xff" * 50, "empty": b"", "deep": b"[" * 5000}[how])
    refused(device, f"{role}.json is (rejected|not metadata)")
    file.write_bytes(good)
    assert device.version() == "1.0"


def test_mix_of_two_versions(device, operator):
    """The newest timestamp is combined with older files: each was signed, but never together."""
    before = {role: operator.file(role).read_bytes() for role in ("snapshot", "targets")}
    operator.put("2.0")
    for role, content in before.items():
        newest = operator.file(role)
        good = newest.read_bytes()
        newest.write_bytes(content)
        refused(device, f"{role}.json is rejected")
        newest.write_bytes(good)
    assert device.version() == "2.0"


@pytest.mark.parametrize("path", [ROOT_PATH, STAMP, "/metadata/2.snapshot.json", "/metadata/2.targets.json"])
def test_endless_metadata(device, server, path):
    if path == ROOT_PATH:
        server.put(path, b"")
    server.fault(path, Endless())
    refused(device, "sends more than|is longer than")
    server.mend()
    server.files.clear()
    assert device.version() == "1.0"


def test_metadata_longer_than_it_may_be(device, server):
    server.fault(STAMP, Body(b'{"signed": "' + b"x" * 20_000 + b'"}'))
    refused(device, "timestamp.json is rejected: .*maximum length")


def test_a_revoked_key_signs_in_vain(device, operator):
    """The timestamp key was stolen, and the operator replaced it."""
    assert device.version() == "1.0"
    stolen = operator.stolen("timestamp")
    operator.publisher().rotate(["timestamp"])
    stamp = operator.file("timestamp")
    good = stamp.read_bytes()
    forge(stamp, stolen, version=99)
    refused(device, "timestamp.json is rejected: it is not signed with the keys")
    stamp.write_bytes(good)
    assert device.version() == "1.0"


def test_new_key_undoes_a_stolen_timestamp_key(device, operator):
    """Fast forward: the thief signs version 9999 with a date far in the future; after the rotation devices recover."""
    operator.put("1.0")
    stamp = operator.file("timestamp")
    forge(stamp, operator.stolen("timestamp"), version=9999, unrecognized_fields={"signed_at": "2120-01-01T00:00:00Z"})
    refused(device, "clock is wrong")
    with pytest.raises(PublishError, match="2120-01-01 .* --trust-clock"):
        operator.publisher().rotate(["timestamp"])
    operator.publisher(trust_clock=True).rotate(["timestamp"])
    stamp = operator.file("timestamp")
    forge(stamp, operator.stolen("timestamp"), version=3, unrecognized_fields={})
    assert device.version() == "1.0"


def test_a_root_of_an_attacker_is_not_followed(device, operator, tmp_path):
    """The attacker has every key except the root key, and signs with another root key."""
    stranger = Operator(tmp_path / "stranger")
    forge(stranger.file("root"), stranger.stolen("root"), operator.site / "metadata" / "2.root.json", version=2)
    refused(device, "2.root.json is rejected: it is not signed with the keys")
    (operator.site / "metadata" / "2.root.json").unlink()
    assert device.version() == "1.0"


def test_keys_change_again_and_again_and_devices_follow(tmp_path, device, operator, server):
    early = device.copy(tmp_path / "early")
    assert device.version() == "1.0"
    for roles in (
        ["root"],
        ["root", "targets"],
        ["snapshot", "timestamp"],
        ["root", "targets", "snapshot", "timestamp"],
    ):
        operator.publisher().rotate(roles)
        assert device.version() == "1.0"
    operator.put("2.0")
    assert (device.version(), early.version()) == ("2.0", "2.0")
    assert server.asked("/metadata/5.root.json", "GET")[-1].status == 200
    later = Device(tmp_path / "later", operator.keys / "root.json", server.url())
    assert later.version() == "2.0"


# Time


def test_a_clock_before_the_last_trusted_time_is_noticed(device, operator):
    """For this device, the repository was signed two days in the future."""
    operator.put("2.0", now=datetime.now(UTC) + timedelta(days=2))
    said = refused(device, "device's clock is wrong")
    assert "timedatectl" in said


@pytest.mark.parametrize("trouble", ["expired", "clock"])
def test_trouble_that_lasts_reads_the_same_at_each_check(device, operator, monkeypatch, trouble):
    """The same text at each check is logged only once."""
    days = -100 if trouble == "expired" else 100
    operator.put("2.0", now=datetime.now(UTC) + timedelta(days=days))
    noon = datetime.now(UTC).replace(hour=12, minute=0)
    said = set()
    for moment in (noon, noon + timedelta(minutes=15)):

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None, moment=moment):
                return moment

        monkeypatch.setattr("appliance.repository.client.datetime", Clock)
        said.add(refused(device, "metadata of .* expired" if trouble == "expired" else "clock is wrong"))
    assert len(said) == 1


def test_a_clock_that_is_a_little_behind_is_fine(device, operator):
    operator.put("2.0", now=datetime.now(UTC) + timedelta(minutes=30))
    assert device.version() == "2.0"


# What a device keeps


def test_damaged_trusted_files_do_not_matter(device, operator):
    operator.publisher().rotate(["timestamp"])
    assert device.version() == "1.0"
    for file in [
        each for each in (device.folder / "repository").rglob("*.json") if each.is_file() and not each.is_symlink()
    ]:
        content = file.read_bytes()
        for rest in (b"", content[:100], bytes(len(content))):
            file.write_bytes(rest)
            assert device.version() == "1.0", file


def test_a_state_folder_that_cannot_be_written_is_said(tmp_path, operator, server):
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "repository").write_text("in the way")
    with pytest.raises(OSError):
        Device(tmp_path / "device", operator.root, server.url()).check()


def test_the_trusted_files_hold_what_was_seen_last(device, operator):
    device.check()
    operator.put("2.0")
    device.check()
    kept = json.loads((device.folder / "repository" / "timestamp.json").read_bytes())
    assert kept["signed"]["version"] == 3


# What a channel may require of a device


def test_entry_that_does_not_fit_is_skipped_and_reported(device, operator, caplog):
    operator.put("2.0", requires=Requirements(memory_mb=10_000_000, board="Raspberry Pi"))
    assert device.check() is None
    [line] = logged(caplog, "is skipped")
    assert "2.0" in line and "requires 10000000 MB of memory" in line
    operator.put("3.0", requires=Requirements(memory_mb=1))
    assert device.version() == "3.0"


@pytest.mark.parametrize("signed_at", ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+14:00", 10**400, [], "year 1"])
def test_strange_time_of_signing_stops_no_device(device, operator, signed_at):
    stamp = operator.file("timestamp")
    forge(stamp, operator.stolen("timestamp"), version=9, unrecognized_fields={"signed_at": signed_at})
    with contextlib.suppress(SourceError):
        assert device.version() == "1.0"


@pytest.mark.parametrize("value", [10**400, json.loads("[" * 100 + "]" * 100)], ids=["large number", "deep"])
def test_contents_that_cannot_be_written_again_are_refused(device, operator, value):
    """They are signed with the operator's keys; the reason is one sentence."""
    fields = json.loads(operator.file("timestamp").read_text())["signed"]
    forge(
        operator.file("timestamp"),
        operator.stolen("timestamp"),
        unrecognized_fields={"signed_at": fields["signed_at"], "x": value},
    )
    with pytest.raises(SourceError) as raised:
        device.check()
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
