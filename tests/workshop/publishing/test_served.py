"""Two copies of one site: what is served is looked at before anything is signed."""

import shutil

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.pulling import pull_site
from appliance.workshop.publishing.site_record import SITE_FILE_NAME
from appliance.workshop.publishing.syncing import sync_to_folder
from support.model_server import ModelServer
from support.publishing import list_faults, read_files
from support.signed_site import Device, Operator


@pytest.fixture
def web(tmp_path, operator, bundles):
    """A server of a folder to which the site is uploaded."""
    operator.publisher().push(bundles["1.0"])
    sync_to_folder(operator.site, tmp_path / "web")
    with ModelServer(tmp_path / "web") as web:
        yield web


@pytest.fixture
def other(tmp_path, operator, web):
    """Another machine's copy of the site and the keys."""
    shutil.copytree(operator.site, tmp_path / "other/site")
    shutil.copytree(operator.keys, tmp_path / "other/keys")
    other = object.__new__(Operator)
    other.site, other.keys, other.root = tmp_path / "other/site", tmp_path / "other/keys", operator.root
    return other


def _read_signed(site):
    """Return the files of a site without its record, which remembers the address of a refusal."""
    return {name: content for name, content in read_files(site).items() if name != ".publish.json"}


def test_second_copy_cannot_sign_over_what_is_served(operator, other, web, bundles, tmp_path):
    operator.publisher(served=web.url()).push(bundles["2.0"])
    sync_to_folder(operator.site, tmp_path / "web")
    publisher = other.publisher(served=web.url())
    before = _read_signed(other.site)
    for action in (
        lambda: publisher.push(bundles["3.0"]), publisher.promote, publisher.rollback, publisher.refresh,
        lambda: publisher.rotate(["timestamp"]), lambda: publisher.withdraw("1.0"), publisher.prune,
        lambda: publisher.pause("stable"),
    ):  # fmt: skip
        with pytest.raises(PublishError, match="serves version 3, and this copy has version 2.*publish pull"):
            action()
    assert _read_signed(other.site) == before
    pulled = pull_site(other.site, KeyFolder(other.keys), web.url())
    assert pulled.is_changed and pulled.fetched == 2 and pulled.lost == () and pulled.replaced is None
    other.publisher().push(bundles["3.0"])
    sync_to_folder(other.site, tmp_path / "web")
    assert Device(tmp_path / "d", operator.root, web.url()).version() == "3.0"
    with pytest.raises(PublishError, match="publish pull"):
        operator.publisher().refresh()


@pytest.mark.slow
def test_copies_that_signed_the_same_version_are_told_apart(operator, other, web, bundles, tmp_path):
    operator.publisher().push(bundles["2.0"])
    sync_to_folder(operator.site, tmp_path / "web")
    other.publisher().push(bundles["3.0"])  # without --served nothing is known of the other
    with pytest.raises(PublishError, match="other contents than this copy.*publish pull"):
        sync_to_folder(other.site, tmp_path / "web")
    with pytest.raises(PublishError, match="other contents"):
        other.publisher(served=web.url()).refresh()
    pulled = pull_site(other.site, KeyFolder(other.keys), web.url())
    assert pulled.lost == ("channel stable: 2.0 for everyone (this copy had: 3.0 for everyone)",)
    assert {file.name for file in pulled.replaced.iterdir()} == {"3.snapshot.json", "3.targets.json", "timestamp.json"}
    device = Device(tmp_path / "d", operator.root, web.url())
    assert device.version() == "2.0"
    other.publisher().push(bundles["3.0"])
    sync_to_folder(other.site, tmp_path / "web")
    assert device.version() == "3.0" and list_faults(other.site, operator.root) == []


def test_old_copy_of_the_same_keys_is_refused_without_an_address(operator, bundles, tmp_path):
    operator.publisher().push(bundles["1.0"])
    shutil.copytree(operator.site, tmp_path / "old")
    operator.publisher().push(bundles["2.0"])
    with pytest.raises(PublishError, match="old is not the newest copy of the site: .*version 3 was there before"):
        SitePublisher(tmp_path / "old", KeyFolder(operator.keys)).push(bundles["3.0"])


def test_replaced_keys_are_noticed_by_the_other_copy(operator, other, web, bundles, tmp_path):
    operator.publisher().rotate(["timestamp"])
    sync_to_folder(operator.site, tmp_path / "web")
    with pytest.raises(PublishError, match="version 2 of the root, which this copy lacks.*publish pull"):
        other.publisher(served=web.url()).refresh()
    pull_site(other.site, KeyFolder(other.keys), web.url())
    with pytest.raises(PublishError, match="is missing"):
        other.publisher().refresh()  # the new key is only on the first machine
    assert (other.keys / "root.json").read_bytes() == (operator.site / "metadata/2.root.json").read_bytes()


def test_address_is_kept_and_an_unreachable_one_stops(operator, web, bundles):
    operator.publisher(served=web.url()).refresh()
    assert web.url().rstrip("/") in (operator.site / SITE_FILE_NAME).read_text()
    web.requests.clear()
    operator.publisher().push(bundles["2.0"])
    assert {request.path for request in web.requests} >= {"/metadata/timestamp.json"}
    web.close()
    before = read_files(operator.site)
    with pytest.raises(PublishError, match="cannot be read.*--served none"):
        operator.publisher().refresh()
    assert read_files(operator.site) == before
    operator.publisher(served="none").refresh()
    operator.publisher().refresh()


@pytest.mark.parametrize("address", ["http://", "http://user:secret@127.0.0.1/"])
def test_impossible_address_is_one_sentence(operator, address):
    with pytest.raises(PublishError) as caught:
        operator.publisher(served=address).refresh()
    assert "secret" not in str(caught.value)


def test_other_site_or_a_page_for_every_file_is_refused(operator, tmp_path, bundles):
    stranger = Operator(tmp_path / "stranger")
    with ModelServer(stranger.site) as web, pytest.raises(PublishError, match="another site"):
        operator.publisher(served=web.url()).refresh()
    page = tmp_path / "page"
    for name in ("metadata/2.root.json", "metadata/1.root.json", "metadata/timestamp.json"):
        (page / name).parent.mkdir(parents=True, exist_ok=True)
        (page / name).write_text("<!doctype html>")
    with ModelServer(page) as web, pytest.raises(PublishError, match="rewrite rule"):
        operator.publisher(served=web.url()).refresh()


def test_site_that_disappeared_is_not_taken_for_a_new_one(operator, web, tmp_path):
    operator.publisher(served=web.url()).refresh()
    shutil.rmtree(tmp_path / "web/metadata")
    with pytest.raises(PublishError, match="served this site before"):
        operator.publisher().refresh()
