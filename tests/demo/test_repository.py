"""Test the demo's repository: signed, served locally, with a model that is newer than the bundled one."""

import urllib.error
import urllib.request

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.version import is_newer
from appliance.demo.repository import LocalRepository
from support.paths import FLOWERS
from support.publishing import list_faults
from support.signed_site import Device


@pytest.fixture
def repository(tmp_path):
    repository = LocalRepository(tmp_path / "operator")
    yield repository
    repository.close()


def test_new_repository_is_empty_and_valid(repository):
    assert repository.url.startswith("http://127.0.0.1:")
    assert list_faults(repository.url, repository.root) == []
    assert not list((repository.root.parent.parent / "site").rglob("*.zip"))


def test_keys_are_not_served(repository):
    key = next(repository.root.parent.glob("timestamp-*.pem"))
    for path in ("keys/root.json", f"keys/{key.name}", key.name, f"../keys/{key.name}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{repository.url}/{path}", timeout=10)
        refused.value.close()
        assert refused.value.code == 404


def test_device_fetches_the_newer_model(repository, tmp_path):
    description = repository.push_newer()
    bundled = read_bundle(FLOWERS)
    device = Device(tmp_path / "device", repository.root, repository.url)
    newer = read_bundle(device.fetch())
    assert is_newer(newer.version, bundled.version)
    assert (newer.identity.name, newer.labels) == (bundled.identity.name, bundled.labels)
    assert newer.confidence_threshold != bundled.confidence_threshold
    assert not newer.label_thresholds
    assert f"{newer.identity.name} {newer.version}" in description


def test_closed_repository_does_not_answer(tmp_path, capfd):
    repository = LocalRepository(tmp_path / "operator")
    urllib.request.urlopen(f"{repository.url}/metadata/timestamp.json", timeout=10).close()
    repository.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{repository.url}/metadata/timestamp.json", timeout=10)
    assert capfd.readouterr() == ("", ""), "the demo prints its own lines alone"
