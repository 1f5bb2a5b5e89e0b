"""What each operation does to a site, and what devices make of it."""

import shutil
import stat
from datetime import UTC, datetime, timedelta

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BundleError, PublishError
from appliance.workshop.publishing.inspection import read_site_status
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from support import made_models
from support.bundles import bundle_folder
from support.publishing import list_faults, read_files
from support.signed_site import Device, Operator


def test_init_creates_keys_and_a_site_without_secrets(operator):
    keys = sorted(operator.keys.rglob("*.pem"))
    assert [file.name.split("-")[0] for file in keys] == ["root", "snapshot", "targets", "timestamp"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    assert [file.parent.name for file in keys] == ["root", "keys", "keys", "keys"]
    names = sorted(read_files(operator.site))
    assert names == [
        "404.html",
        "firebase.json",
        "metadata/1.root.json",
        "metadata/1.snapshot.json",
        "metadata/1.targets.json",
        "metadata/timestamp.json",
    ]
    assert not any(b"PRIVATE" in content for content in read_files(operator.site).values())
    assert operator.root.read_bytes() == (operator.site / "metadata/1.root.json").read_bytes()
    assert list_faults(operator.site, operator.root) == []


def test_existing_site_is_not_replaced(operator, tmp_path):
    before = read_files(operator.site)
    for keys in (operator.keys, tmp_path / "other-keys"):
        with pytest.raises(PublishError, match="already contains"):
            SitePublisher(operator.site, KeyFolder(keys)).init()
    assert read_files(operator.site) == before


@pytest.mark.parametrize("place", ["keys", "."])
def test_keys_inside_the_site_are_refused(tmp_path, place):
    with pytest.raises(PublishError, match="is inside .*site"):
        SitePublisher(tmp_path / "site", KeyFolder(tmp_path / "site" / place)).init()
    assert not (tmp_path / "site").exists()


def test_bad_bundle_is_not_pushed_and_changes_nothing(operator, bundles, tmp_path):
    before = read_files(operator.site)
    bad = bundle_folder(tmp_path / "bad", model=made_models.not_numbers())
    with pytest.raises(BundleError, match="not numbers"):
        operator.publisher().push(bad)
    assert read_files(operator.site) == before
    pushed = operator.publisher().push(bundles["1.0"])
    assert (pushed.identity.version, pushed.was_published, pushed.changes[0].percent) == ("1.0", False, 100.0)


def test_devices_get_the_pushed_bundle(operator, device, bundles):
    operator.publisher().push(bundles["1.0"])
    got, given = read_bundle(device.fetch()), read_bundle(bundles["1.0"])
    assert (got.identity, got.labels) == (given.identity, given.labels)
    offer = device.check()
    assert (offer.sha256, offer.name) == (given.identity.sha256, given.identity.name)


@pytest.mark.slow
def test_rollout_from_a_slice_to_everyone_and_back(operator, device, server, tmp_path, bundles):
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
    assert publisher.rollback().entries == () and device.check() is None, "before the first push, nothing was offered"
    with pytest.raises(PublishError, match="has no earlier contents"):
        publisher.rollback()
    publisher.push(bundles["3.0"])
    assert {each.check().version for each in fleet} == {"3.0"}


def test_rollback_to_a_version(operator, device, bundles):
    publisher = operator.publisher()
    for version in bundles:
        publisher.push(bundles[version])
    assert device.version() == "3.0"
    assert publisher.rollback(version="1.0").changes[0].percent == 100
    assert device.version() == "1.0"
    with pytest.raises(PublishError, match=r"no version 9 .*; it has 1\.0, 2\.0, 3\.0"):
        publisher.rollback(version="9")


def test_version_is_looked_up_among_models_of_the_channel(operator, tmp_path):
    publisher = operator.publisher()

    def push(name, version, channel, salt):
        model = made_models.good(salt)
        publisher.push(bundle_folder(tmp_path / f"{salt}", name=name, version=version, model=model), channel)

    for salt, (name, version) in enumerate((("door", "1.0"), ("door", "2.0"), ("kitchen", "1.0"), ("kitchen", "3.0"))):
        push(name, version, name, salt)
    rolled_back = publisher.rollback("door", version="1.0")
    assert [entry.bundle for entry in rolled_back.entries] == ["bundles/door-1.0.zip"]
    assert rolled_back.bundles == ("door 1.0",)
    with pytest.raises(PublishError, match=r"no version 3\.0 of door, .*it has 1\.0, 2\.0$"):
        publisher.rollback("door", version="3.0")
    push("gate", "5.0", "door", 5)
    assert publisher.rollback("door", version="2.0").bundles == ("door 2.0",)
    assert publisher.rollback("door").bundles == ("gate 5.0",)
    push("gate", "1.0", "door", 6)
    before = read_files(operator.site)
    with pytest.raises(PublishError, match=r"version 1\.0 on channel door could be door 1\.0 or gate 1\.0"):
        publisher.rollback("door", version="1.0")
    assert read_files(operator.site) == before


def test_bundle_is_promoted_to_another_channel(operator, device, server, tmp_path, bundles):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"], "beta")
    beta = Device(tmp_path / "beta", operator.root, server.url(), channel="beta")
    assert (beta.version(), device.version()) == ("2.0", "1.0")
    assert publisher.promote(source="beta").changes[0].percent == 100
    assert device.version() == "2.0"
    with pytest.raises(PublishError, match="no channel 'betta'; .*beta, stable"):
        publisher.promote(source="betta")


def test_other_content_needs_another_version(operator, device, bundles, tmp_path):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    targets = {name for name in read_files(operator.site) if name.startswith("targets/")}
    again = publisher.push(bundles["1.0"])
    assert again.was_published and again.changes[0].percent == 0
    assert {name for name in read_files(operator.site) if name.startswith("targets/")} == targets
    other = bundle_folder(tmp_path / "other", version="1.0", model=made_models.good(77))
    with pytest.raises(PublishError, match=r"colours 1\.0 is already published .*--version"):
        publisher.push(other)
    publisher.push(other, version="1.0.1")
    assert device.version() == "1.0.1"


def test_export_without_a_version_is_pushed(operator, device, tmp_path):
    plain = bundle_folder(tmp_path / "export", name=None, version=None)
    pushed = operator.publisher().push(plain)
    assert pushed.identity.version.startswith("sha256:")
    assert device.version() == pushed.identity.version
    assert read_bundle(device.fetch()).identity.version == pushed.identity.version
    for version in ("next", "1.0 ", ""):
        with pytest.raises(PublishError, match=f"'{version}' is not a version"):
            operator.publisher().push(plain, version=version)


@pytest.mark.parametrize("kind", ["channel", "variant", "group"])
def test_invalid_names_are_refused(operator, bundles, kind):
    with pytest.raises(PublishError, match=f"'a/b' cannot be the name of a {kind}"):
        operator.publisher().push(bundles["1.0"], **{"channel": "stable"} | {kind: "a/b"})


def test_refresh_renews_an_expired_site_and_the_root(tmp_path):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=300))
    away = tmp_path / "safe"
    shutil.move(operator.keys / "root", away)
    assert list_faults(operator.site) and read_site_status(operator.site).expires_soon
    assert operator.publisher().refresh() is True, "the root has 65 days left and its key is away"
    assert list_faults(operator.site) == []
    assert SitePublisher(operator.site, KeyFolder(operator.keys, away)).refresh() is False
    assert read_site_status(operator.site).roles[0].version == 2
    assert list_faults(operator.site, operator.root) == []
