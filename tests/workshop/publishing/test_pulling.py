"""Pull what is served: into a new folder, over a damaged copy, after rotations, and never from a stranger."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.pulling import pull_site
from support.model_server import ModelServer
from support.publishing import list_faults, read_files
from support.signed_site import Operator


def test_new_machine_gets_everything_with_the_keys_alone(operator, server, bundles, tmp_path):
    publisher = operator.publisher()
    publisher.push(bundles["1.0"])
    publisher.push(bundles["2.0"])
    publisher.rotate(["root", "timestamp"])
    keys = shutil.copytree(operator.keys, tmp_path / "keys2")
    pulled = pull_site(tmp_path / "copy", KeyFolder(keys), server.url())
    assert pulled.is_changed and pulled.fetched == 3
    copy = SitePublisher(tmp_path / "copy", KeyFolder(keys))
    assert copy.rollback().entries[0].version == "1.0", "the earlier contents came along"
    assert list_faults(tmp_path / "copy", operator.root) == []
    assert {"firebase.json", "metadata/1.root.json", "metadata/2.root.json"} <= set(read_files(tmp_path / "copy"))


def test_nothing_changes_if_the_copy_has_everything(operator, server, bundles):
    pull_site(operator.site, KeyFolder(operator.keys), server.url())
    before = read_files(operator.site)
    assert not pull_site(operator.site, KeyFolder(operator.keys)).is_changed
    assert read_files(operator.site) == before


def test_refused_push_remembers_the_address_for_the_pull(operator, server, tmp_path):
    copy = shutil.copytree(operator.site, tmp_path / "copy")
    operator.publisher().refresh()
    with pytest.raises(PublishError, match="publish pull"):
        SitePublisher(copy, KeyFolder(operator.keys), served=server.url()).refresh()
    assert pull_site(copy, KeyFolder(operator.keys)).is_changed


def test_damaged_copy_and_an_expired_site_are_restored(tmp_path, bundles):
    operator = Operator(tmp_path, now=datetime.now(UTC) - timedelta(days=200))
    shutil.copytree(operator.site, tmp_path / "web")
    operator.file("snapshot").unlink()
    with pytest.raises(PublishError, match="publish pull"):
        operator.publisher().refresh()
    with ModelServer(tmp_path / "web") as server:
        assert pull_site(operator.site, KeyFolder(operator.keys), server.url()).is_changed
        operator.publisher().refresh()
        assert list_faults(operator.site, operator.root) == []


def test_nothing_is_taken_from_a_stranger_or_an_incomplete_site(operator, tmp_path):
    stranger = Operator(tmp_path / "stranger")
    before = read_files(operator.site)
    with ModelServer(stranger.site) as server, pytest.raises(PublishError, match="another site"):
        pull_site(operator.site, KeyFolder(operator.keys), server.url())
    with ModelServer(stranger.site) as server, pytest.raises(PublishError, match="not signed with its keys"):
        pull_site(tmp_path / "new", KeyFolder(operator.keys), server.url())
    with ModelServer(tmp_path / "nothing") as server, pytest.raises(PublishError, match="not a complete site"):
        pull_site(tmp_path / "new", KeyFolder(operator.keys), server.url())
    with pytest.raises(PublishError, match="--served"):
        pull_site(tmp_path / "new", KeyFolder(operator.keys))
    with pytest.raises(PublishError, match="from itself"):
        pull_site(operator.site, KeyFolder(operator.keys), str(operator.site))
    assert read_files(operator.site) == before
