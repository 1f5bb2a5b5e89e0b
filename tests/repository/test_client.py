"""The trusted repository, read from a folder: targets, stored small files, and errors."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from appliance.errors import HttpStatusError, SourceError, SourceSettingsError
from appliance.repository.client import RepositoryTarget, TrustedRepository
from support.signed_site import Operator

URL = "http://models.example/site/"


class Server:
    """Serves a site's folder and records the requests; `status` answers all of them with an error."""

    def __init__(self, site: Path) -> None:
        self.site, self.requested, self.status = site, [], None

    def fetch(self, url: str, max_bytes: int) -> bytes:
        path = unquote(url.removeprefix(URL))
        self.requested.append(path)
        file = self.site / path
        if self.status or not file.is_file():
            raise HttpStatusError(f"{url} answers with status {self.status or 404}", self.status or 404)
        content = file.read_bytes()
        if len(content) > max_bytes:
            raise SourceError(f"{url} is too long")
        return content


@pytest.fixture
def operator(tmp_path):
    operator = Operator(tmp_path)
    operator.put("1.0")
    return operator


@pytest.fixture
def server(operator):
    return Server(operator.site)


@pytest.fixture
def repository(tmp_path, operator, server):
    return TrustedRepository(tmp_path / "trusted", operator.root.read_bytes(), URL, server.fetch)


def test_targets_need_a_refresh(repository):
    with pytest.raises(SourceError, match="not been refreshed"):
        repository.find_target("channels/stable.json")


def test_refresh_gives_the_signed_targets(repository, operator):
    repository.refresh()
    assert repository.list_targets() == ["bundles/colours-1.0.zip", "channels/stable.json"]
    target = repository.find_target("bundles/colours-1.0.zip")
    assert target.custom == {"name": "colours", "version": "1.0"}
    assert target.url.startswith(f"{URL}targets/bundles/{target.sha256}.colours-1.0.zip")
    target.verify(operator.target("*.zip"))
    assert repository.find_target("bundles/missing.zip") is None


def test_file_with_other_bytes_does_not_verify(repository, tmp_path):
    repository.refresh()
    (tmp_path / "other.zip").write_bytes(b"other")
    with pytest.raises(SourceError, match="does not match its signature"):
        repository.find_target("bundles/colours-1.0.zip").verify(tmp_path / "other.zip")


def test_small_target_is_fetched_once(repository, server, operator):
    repository.refresh()
    target = repository.find_target("channels/stable.json")
    first = repository.read_target(target, 10_000)
    assert first == operator.target("*.stable.json").read_bytes()
    server.requested.clear()
    assert repository.read_target(target, 10_000) == first and server.requested == []


def test_small_target_above_the_limit_is_not_fetched(repository, server):
    repository.refresh()
    target = repository.find_target("channels/stable.json")
    server.requested.clear()
    with pytest.raises(SourceError, match="more than the limit of 10"):
        repository.read_target(target, 10)
    assert server.requested == []


def test_missing_target_file_means_a_partly_deployed_site(repository, operator):
    repository.refresh()
    operator.target("*.stable.json").unlink()
    with pytest.raises(SourceError, match="only partly deployed"):
        repository.read_target(repository.find_target("channels/stable.json"), 10_000)


def test_status_of_a_failing_server_is_passed_on(repository, server):
    server.status = 503
    with pytest.raises(HttpStatusError, match="503"):
        repository.refresh()


def test_unusable_root_is_a_settings_error(tmp_path, server):
    with pytest.raises(SourceSettingsError, match="root metadata"):
        TrustedRepository(tmp_path / "trusted", b"no root", URL, server.fetch).refresh()


def test_target_is_a_value():
    one, two = (RepositoryTarget("a", "http://a", 1, "ab" * 32, {}) for _ in range(2))
    assert one == two
