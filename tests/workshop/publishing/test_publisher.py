"""The operator's side: what each command does to a site, what devices make of it, and that no interruption breaks it."""

import json
import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, PublishError
from appliance.workshop.publishing.inspection import check_site, read_site_status
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.packing import pack_bundle
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_files import write_public
from support import made_models
from support.bundles import bundle_folder
from support.model_server import ModelServer
from support.signed_site import Device, Operator, forge


@pytest.fixture
def operator(tmp_path):
    return Operator(tmp_path)


@pytest.fixture
def server(operator):
    with ModelServer(operator.site) as server:
        yield server


@pytest.fixture
def device(tmp_path, operator, server):
    return Device(tmp_path / "device", operator.root, server.url())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Bundles of versions 1.0, 2.0 and 3.0."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        version: bundle_folder(folder / version, version=version, model=made_models.good(number))
        for number, version in enumerate(("1.0", "2.0", "3.0"))
    }


def faults(site, root=None):
    return [finding.message for finding in check_site(str(site), root) if not finding.is_ok]


def everything(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# init


def test_init_makes_keys_apart_and_a_site_without_secrets(operator):
    keys = sorted(operator.keys.rglob("*.pem"))
    assert [file.name.split("-")[0] for file in keys] == ["root", "snapshot", "targets", "timestamp"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    assert [file.parent.name for file in keys] == ["root", "keys", "keys", "keys"]
    names = sorted(everything(operator.site))
    assert names == [
        "404.html",
        "firebase.json",
        "metadata/1.root.json",
        "metadata/1.snapshot.json",
        "metadata/1.targets.json",
        "metadata/timestamp.json",
    ]
    assert not any(b"PRIVATE" in content for content in everything(operator.site).values())
    assert operator.root.read_bytes() == (operator.site / "metadata/1.root.json").read_bytes()
    assert faults(operator.site, operator.root) == []


def test_firebase_is_told_what_caches_may_keep_and_no_rewrites(operator):
    hosting = json.loads((operator.site / "firebase.json").read_bytes())["hosting"]
    assert "rewrites" not in hosting and hosting["public"] == "."
    kept = {rule["source"]: rule["headers"][0]["value"] for rule in hosting["headers"]}
    # The next root's "not there" must not be kept either, so roots are no-cache although their names carry a version.
    assert kept["/metadata/timestamp.json"] == kept["/metadata/*.root.json"] == "no-cache"
    assert all("immutable" in kept[source] for source in ("/metadata/*.@(targets|snapshot).json", "/targets/**"))
    assert (operator.site / "404.html").stat().st_size < 100


def test_a_site_is_not_made_anew(operator, tmp_path):
    before = everything(operator.site)
    for keys in (operator.keys, tmp_path / "other-keys"):
        with pytest.raises(PublishError, match="holds keys already|holds a repository already"):
            SitePublisher(operator.site, KeyFolder(keys)).init()
    assert everything(operator.site) == before


@pytest.mark.parametrize("place", ["keys", "."])
def test_keys_in_the_site_are_refused(tmp_path, place):
    with pytest.raises(PublishError, match="lies inside"):
        SitePublisher(tmp_path / "site", KeyFolder(tmp_path / "site" / place)).init()
    assert not (tmp_path / "site").exists()


def test_a_private_key_in_the_site_is_found(operator):
    shutil.copy(next(operator.keys.glob("*.pem")), operator.site / "oops.txt")
    assert any("oops.txt is a private key" in fault for fault in faults(operator.site))


# push


def test_a_push_is_tried_first_and_a_bad_bundle_changes_nothing(operator, bundles, tmp_path):
    before = everything(operator.site)
    bad = bundle_folder(tmp_path / "bad", model=made_models.not_numbers())
    with pytest.raises(BundleError, match="not numbers"):
        operator.publisher().push(bad)
    assert everything(operator.site) == before
    pushed = operator.publisher().push(bundles["1.0"])
    assert (pushed.identity.version, pushed.was_published, pushed.changes[0].percent) == ("1.0", False, 100.0)


def test_what_is_pushed_is_what_devices_get(operator, device, bundles):
    operator.publisher().push(bundles["1.0"])
    got, given = read_bundle(device.fetch()), read_bundle(bundles["1.0"])
    assert (got.identity, got.labels) == (given.identity, given.labels)
    offer = device.check()
    assert (offer.sha256, offer.name) == (given.identity.sha256, given.identity.name)


def test_a_rollout_from_a_slice_to_everyone_and_back(operator, device, server, tmp_path, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    pushed = publisher.push(bundles["2.0"], percent=20, variant="b")
    assert pushed.changes[0].percent == 20
    fleet = [
        Device(tmp_path / f"fleet-{number}", operator.root, server.url(), name=f"pi-{number}") for number in range(12)
    ]
    first = {each.name for each in fleet if each.check().variant == "b"}
    assert publisher.promote(percent=60).changes[0].percent == 40
    second = {each.name for each in fleet if each.check().variant == "b"}
    assert first < second and len(second) < len(fleet)
    promoted = publisher.promote()
    assert promoted.changes[0].percent == 40 and {each.check().version for each in fleet} == {"2.0"}
    assert device.check().variant is None
    publisher.rollback()
    assert {each.name for each in fleet if each.check().variant == "b"} == second
    publisher.rollback()
    assert {each.name for each in fleet if each.check().variant == "b"} == first
    publisher.rollback()
    assert {each.check().version for each in fleet} == {"1.0"}
    with pytest.raises(PublishError, match="held nothing before"):
        publisher.rollback()
    publisher.push(bundles["3.0"])
    assert publisher.rollback().entries[0].version == "1.0"


def test_rollback_to_a_version_by_name(operator, device, bundles):
    publisher = operator.publisher()
    for version in bundles:
        publisher.push(bundles[version])
    assert device.version() == "3.0"
    assert publisher.rollback(version="1.0").changes[0].percent == 100
    assert device.version() == "1.0"
    with pytest.raises(PublishError, match="no version 9; it has 1.0, 2.0, 3.0"):
        publisher.rollback(version="9")


def test_a_version_is_that_of_the_models_a_channel_holds_or_held(operator, tmp_path):
    publisher = operator.publisher()

    def push(name, version, channel, salt):
        model = made_models.good(salt)
        publisher.push(bundle_folder(tmp_path / f"{salt}", name=name, version=version, model=model), channel)

    for salt, (name, version) in enumerate((("door", "1.0"), ("door", "2.0"), ("kitchen", "1.0"), ("kitchen", "3.0"))):
        push(name, version, name, salt)
    gone_back = publisher.rollback("door", version="1.0")
    assert [entry.bundle for entry in gone_back.entries] == ["bundles/door-1.0.zip"]
    assert gone_back.bundles == ("door 1.0",)
    with pytest.raises(
        PublishError, match="of door, which channel door holds or held, .* no version 3.0; it has 1.0, 2.0$"
    ):
        publisher.rollback("door", version="3.0")
    push("gate", "5.0", "door", 5)
    assert publisher.rollback("door", version="2.0").bundles == ("door 2.0",)
    assert publisher.rollback("door").bundles == ("gate 5.0",)
    push("gate", "1.0", "door", 6)
    before = everything(operator.site)
    with pytest.raises(PublishError, match="version 1.0 on channel door could be door 1.0 or gate 1.0: push the one"):
        publisher.rollback("door", version="1.0")
    assert everything(operator.site) == before


def test_a_channel_is_tried_by_a_group_then_promoted_to_another_channel(operator, device, server, tmp_path, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"], "beta")
    beta = Device(tmp_path / "beta", operator.root, server.url(), channel="beta")
    assert (beta.version(), device.version()) == ("2.0", "1.0")
    assert publisher.promote(source="beta").changes[0].percent == 100
    assert device.version() == "2.0"
    with pytest.raises(PublishError, match="no channel 'betta'; it has beta, stable"):
        publisher.promote(source="betta")


def test_the_same_bundle_is_uploaded_once_and_another_one_needs_a_version_of_its_own(
    operator, device, bundles, tmp_path
):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    targets = {name for name in everything(operator.site) if name.startswith("targets/")}
    again = publisher.push(bundles["1.0"])
    assert again.was_published and again.changes[0].percent == 0
    assert {name for name in everything(operator.site) if name.startswith("targets/")} == targets
    other = bundle_folder(tmp_path / "other", version="1.0", model=made_models.good(77))
    with pytest.raises(PublishError, match="colours 1.0 is published already with other bytes.*--version"):
        publisher.push(other)
    publisher.push(other, version="1.0.1")
    assert device.version() == "1.0.1"


def test_an_export_without_a_version_is_pushed_too(operator, device, tmp_path):
    plain = bundle_folder(tmp_path / "export", name=None, version=None)
    pushed = operator.publisher().push(plain)
    assert pushed.identity.version.startswith("sha256:")
    assert device.version() == pushed.identity.version
    assert read_bundle(device.fetch()).identity.version == pushed.identity.version
    for version in ("next", "1.0 ", ""):
        with pytest.raises(PublishError, match=f"'{version}' is not a version"):
            operator.publisher().push(plain, version=version)


def test_the_same_bundle_makes_the_same_zip(bundles):
    assert pack_bundle(bundles["1.0"]).content == pack_bundle(bundles["1.0"]).content


@pytest.mark.parametrize("what", ["channel", "variant", "group"])
def test_names_that_would_not_do_are_refused(operator, bundles, what):
    with pytest.raises(PublishError, match=f"'a/b' cannot be the name of a {what}"):
        operator.publisher().push(bundles["1.0"], **{"channel": "stable"} | {what: "a/b"})


# Keys


def test_missing_and_foreign_keys_are_said_before_anything_is_done(operator, tmp_path, bundles):
    before = everything(operator.site)
    stranger = Operator(tmp_path / "stranger")
    empty = tmp_path / "empty"
    empty.mkdir()
    foreign, gone = "keys of another site", "is not there: name the folder"
    for keys, words in ((stranger.keys, foreign), (empty, gone), (tmp_path / "no", gone)):
        for act in (lambda it: it.push(bundles["1.0"]), lambda it: it.refresh(), lambda it: it.rollback()):
            with pytest.raises(PublishError, match=words):
                act(SitePublisher(operator.site, KeyFolder(keys)))
    assert everything(operator.site) == before


def test_a_key_that_others_can_read_is_refused(operator):
    next(operator.keys.glob("targets-*.pem")).chmod(0o644)
    with pytest.raises(PublishError, match="can be read by others"):
        operator.publisher().refresh()


def test_encrypted_keys_need_their_passphrase(tmp_path):
    def keys(passphrase=None, encrypt=False):
        return KeyFolder(tmp_path / "keys", passphrase=passphrase, encrypt=encrypt)

    SitePublisher(tmp_path / "site", keys(lambda: "open sesame", encrypt=True)).init()
    assert all(b"ENCRYPTED" in file.read_bytes() for file in (tmp_path / "keys").rglob("*.pem"))
    asked = []
    publisher = SitePublisher(tmp_path / "site", keys(lambda: asked.append(1) or "open sesame"))
    publisher.refresh()
    assert len(asked) == 1
    publisher.rotate(["timestamp"])
    assert all(b"ENCRYPTED" in file.read_bytes() for file in (tmp_path / "keys").rglob("*.pem"))
    with pytest.raises(PublishError, match="passphrase is wrong"):
        SitePublisher(tmp_path / "site", keys(lambda: "close")).refresh()
    with pytest.raises(PublishError, match="--passphrase-file"):
        SitePublisher(tmp_path / "site", keys()).refresh()


def test_the_root_key_is_needed_only_to_rotate(operator, tmp_path, device):
    away = tmp_path / "safe"
    shutil.move(operator.keys / "root", away)
    publisher = operator.publisher()
    publisher.refresh()
    with pytest.raises(PublishError, match="--root-keys"):
        publisher.rotate(["targets"])
    SitePublisher(operator.site, KeyFolder(operator.keys, away)).rotate(["targets", "root"])
    operator.put("1.0")
    assert device.version() == "1.0"


def test_a_lost_key_is_replaced_with_the_root_key(operator, device):
    operator.put("1.0")
    next(operator.keys.glob("timestamp-*.pem")).unlink()
    with pytest.raises(PublishError, match="is not there"):
        operator.publisher().refresh()
    operator.publisher().rotate(["timestamp"])
    operator.put("2.0")
    assert device.version() == "2.0"


def test_old_keys_are_put_aside_and_a_role_that_is_none_is_said(operator):
    before = {file.name for file in operator.keys.rglob("*.pem")}
    retired = operator.publisher().rotate([ROOT, *ROLES])
    assert {file.name for file in retired} == before and {file.parent.name for file in retired} == {"retired"}
    with pytest.raises(PublishError, match="no role 'mirror'"):
        operator.publisher().rotate(["mirror"])


# Time


def test_status_warns_two_weeks_before_something_expires(operator):
    now = datetime.now(UTC)
    status = read_site_status(operator.site, KeyFolder(operator.keys))
    assert not status.expires_soon and all(role.have_keys for role in status.roles)
    days = {role.role: round((role.expires - now) / timedelta(days=1)) for role in status.roles}
    assert days == {"root": 365, "targets": 90, "snapshot": 90, "timestamp": 90}
    assert not read_site_status(operator.site, now=now + timedelta(days=75)).expires_soon
    assert read_site_status(operator.site, now=now + timedelta(days=77)).expires_soon


def test_refresh_revives_an_expired_site_and_the_root_where_its_key_is_here(tmp_path):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=300))
    away = tmp_path / "safe"
    shutil.move(operator.keys / "root", away)
    assert faults(operator.site) and read_site_status(operator.site).expires_soon
    assert operator.publisher().refresh() is True, "the root has 65 days left and its key is away"
    assert faults(operator.site) == []
    assert SitePublisher(operator.site, KeyFolder(operator.keys, away)).refresh() is False
    assert read_site_status(operator.site).roles[0].version == 2
    assert faults(operator.site, operator.root) == []


# check


def test_check_finds_each_file_that_is_missing_or_changed(operator, bundles):
    operator.publisher().push(bundles["1.0"])
    operator.publisher().rotate(["timestamp"])
    operator.publisher().push(bundles["2.0"], percent=10)
    newest = {operator.file(role).name for role in (ROOT, "targets", "snapshot")}
    channel = max((operator.site / "targets/channels").iterdir(), key=os.path.getmtime)
    in_force = [
        name
        for name in everything(operator.site)
        if name.endswith((".zip", "timestamp.json", channel.name)) or name.split("/")[-1] in newest
    ]
    assert len(in_force) == 7
    for name in in_force:
        file = operator.site / name
        good = file.read_bytes()
        file.write_bytes(good[:-2] + b"xx")
        assert faults(operator.site, operator.root), name
        file.unlink()
        found = faults(operator.site, operator.root)
        assert any("not there" in fault or "not signed" in fault or "half deployed" in fault for fault in found), (
            name,
            found,
        )
        file.write_bytes(good)
    assert faults(operator.site, operator.root) == []


def test_check_goes_over_the_network_too_and_finds_a_half_deployed_site(operator, bundles):
    operator.publisher().push(bundles["1.0"])
    with ModelServer(operator.site) as server:
        assert faults(server.url(), operator.root) == []
        with pytest.raises(PublishError, match="--keys"):
            faults(server.url())
    with ModelServer() as server:
        server.put_folder(operator.site)
        missing = operator.file("snapshot").name
        del server.files[f"/metadata/{missing}"]
        [fault] = faults(server.url(), operator.root)
        assert "half deployed" in fault and missing in fault


def test_check_finds_a_rewrite_and_a_channel_that_names_what_is_not_there(operator):
    hosting = json.loads((operator.site / "firebase.json").read_bytes())
    hosting["hosting"]["rewrites"] = [{"source": "**", "destination": "/index.html"}]
    (operator.site / "firebase.json").write_text(json.dumps(hosting))
    with SignedSite(operator.site) as site:
        entries = [{"bundle": "bundles/no.zip", "version": "1"}]
        site.put("channels/stable.json", json.dumps({"seed": "x", "entries": entries}).encode())
        site.put("bundles/colours-2.0.zip", b"PK no zip")
        site.publish(KeyFolder(operator.keys), datetime.now(UTC))
    found = " ".join(faults(operator.site))
    assert "rewrites" in found and "names bundles/no.zip" in found and "no good bundle" in found


def test_a_site_that_is_none_or_not_whole_is_said(tmp_path, operator):
    (tmp_path / "empty").mkdir()
    for site, words in ((tmp_path / "no", "no site"), (tmp_path / "empty", "holds no repository yet")):
        with pytest.raises(PublishError, match=words):
            SitePublisher(site, KeyFolder(operator.keys)).refresh()
    operator.put("1.0")
    for role in ("timestamp", "snapshot", "targets"):
        file = operator.file(role)
        good = file.read_bytes()
        foreign = good.replace(b'"keyid":"', b'"keyid":"0')
        for content, words in (
            (None, "is missing, so the site is not whole"),
            (b"{", "cannot be read"),
            (foreign, "not signed|not the file"),
        ):
            file.unlink() if content is None else file.write_bytes(content)
            with pytest.raises(PublishError, match=words):
                operator.publisher().refresh()
            file.write_bytes(good)
    other = forge(operator.file("snapshot"), operator.stolen("snapshot"), expires=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(PublishError, match="is not the file that was signed"):
        operator.publisher().refresh()
    assert operator.file("snapshot").read_bytes() == other


def test_two_at_a_time_do_not_mix(operator):
    with SignedSite(operator.site), pytest.raises(PublishError, match="being changed by another"):
        operator.publisher().refresh()
    operator.publisher().refresh()


# Interruption


class Cut(Exception):
    """The power goes, or somebody presses Ctrl-C."""


class Writer:
    """Writes files as publishing does, and is cut off before one of them."""

    def __init__(self, cut_before: int):
        self.left = cut_before
        self.written: list[str] = []

    def __call__(self, path: Path, content: bytes) -> None:
        if self.left == 0:
            raise Cut
        self.left -= 1
        self.written.append(path.name)
        write_public(path, content)


ACTS = {
    "push": lambda it, bundles: it.push(bundles["2.0"]),
    "push to a new channel": lambda it, bundles: it.push(bundles["2.0"], "beta"),
    "promote": lambda it, bundles: it.promote(),
    "rollback": lambda it, bundles: it.rollback(),
    "refresh": lambda it, bundles: it.refresh(),
    "rotate one": lambda it, bundles: it.rotate(["timestamp"]),
    "rotate the root": lambda it, bundles: it.rotate([ROOT]),
    "rotate all": lambda it, bundles: it.rotate([ROOT, *ROLES]),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory, bundles):
    """A site in the middle of a rollout, a device that has seen it, and what that was offered."""
    folder = tmp_path_factory.mktemp("begun")
    operator = Operator(folder)
    operator.publisher().push(bundles["1.0"])
    operator.publisher().push(bundles["3.0"], percent=30)
    with ModelServer(operator.site) as server:
        seen = Device(folder / "seen", operator.root, server.url())
        return operator, seen, seen.version()


@pytest.mark.parametrize("act", ACTS)
def test_an_interruption_at_any_file_leaves_a_site_that_devices_accept(tmp_path, bundles, begun, act):
    """Both a new device and one that has seen the site before; afterwards what was left can be gone on with."""
    operator, seen, old = begun
    cut, done, offered = 0, False, []
    while not done:
        place = tmp_path / f"cut-{cut}"
        site, keys = shutil.copytree(operator.site, place / "site"), shutil.copytree(operator.keys, place / "keys")
        writer = Writer(cut)
        try:
            ACTS[act](SitePublisher(site, KeyFolder(keys), write=writer), bundles)
            done = True
        except Cut:
            pass
        with ModelServer(site) as server:
            fresh = Device(place / "fresh", operator.root, server.url())
            other = seen.copy(place / "seen")
            other.settings = fresh.settings
            assert fresh.version() == other.version(), writer.written
            offered.append(fresh.version())
            assert faults(site, operator.root) == [], writer.written
            if not done:
                left = {
                    name: content for name, content in everything(site).items() if not name.endswith("timestamp.json")
                }
                again = SitePublisher(site, KeyFolder(keys))
                ACTS[act](again, bundles) if cut == 2 else again.refresh()
                assert faults(site, operator.root) == [] and fresh.version() == other.version()
                kept = everything(site)
                assert all(kept[name] == content for name, content in left.items()), "a cache may hold these for ever"
        cut += 1
    assert cut >= 4, "at the least targets, snapshot and timestamp were cut before"
    assert set(offered) <= {old, offered[-1]}, "the old state or the new one, nothing between"
