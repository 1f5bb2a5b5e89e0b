"""Signed metadata: key rotation, incomplete sites, and interruptions at every file."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.keys import ROLES, ROOT, KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from appliance.workshop.publishing.signed_site import SignedSite
from appliance.workshop.publishing.site_files import write_public
from support.model_server import ModelServer
from support.publishing import list_faults, read_files
from support.signed_site import Device, Operator, forge

ACTIONS = {
    "push": lambda publisher, bundles: publisher.push(bundles["2.0"]),
    "push to a new channel": lambda publisher, bundles: publisher.push(bundles["2.0"], "beta"),
    "promote": lambda publisher, bundles: publisher.promote(),
    "rollback": lambda publisher, bundles: publisher.rollback(),
    "refresh": lambda publisher, bundles: publisher.refresh(),
    "rotate one": lambda publisher, bundles: publisher.rotate(["timestamp"]),
    "rotate the root": lambda publisher, bundles: publisher.rotate([ROOT]),
    "rotate all": lambda publisher, bundles: publisher.rotate([ROOT, *ROLES]),
}


def test_root_key_is_needed_only_to_rotate(operator, tmp_path, device):
    away = tmp_path / "safe"
    shutil.move(operator.keys / "root", away)
    publisher = operator.publisher()
    publisher.refresh()
    with pytest.raises(PublishError, match="--root-keys"):
        publisher.rotate(["targets"])
    SitePublisher(operator.site, KeyFolder(operator.keys, away)).rotate(["targets", "root"])
    operator.put("1.0")
    assert device.version() == "1.0"


def test_lost_key_is_replaced_with_the_root_key(operator, device):
    operator.put("1.0")
    next(operator.keys.glob("timestamp-*.pem")).unlink()
    with pytest.raises(PublishError, match="is missing"):
        operator.publisher().refresh()
    operator.publisher().rotate(["timestamp"])
    operator.put("2.0")
    assert device.version() == "2.0"


def test_old_keys_are_retired_and_unknown_role_is_refused(operator):
    before = {file.name for file in operator.keys.rglob("*.pem")}
    retired = operator.publisher().rotate([ROOT, *ROLES])
    assert {file.name for file in retired} == before and {file.parent.name for file in retired} == {"retired"}
    with pytest.raises(PublishError, match="role 'mirror'"):
        operator.publisher().rotate(["mirror"])


def test_missing_or_incomplete_site_is_refused(tmp_path, operator):
    (tmp_path / "empty").mkdir()
    for site, words in ((tmp_path / "no", "not a site"), (tmp_path / "empty", "contains no repository yet")):
        with pytest.raises(PublishError, match=words):
            SitePublisher(site, KeyFolder(operator.keys)).refresh()
    operator.put("1.0")
    for role in ("timestamp", "snapshot", "targets"):
        file = operator.file(role)
        good = file.read_bytes()
        foreign = good.replace(b'"keyid":"', b'"keyid":"0')
        for content, words in (
            (None, "is missing"),
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


def test_site_is_changed_by_one_process_at_a_time(operator):
    with SignedSite(operator.site), pytest.raises(PublishError, match="another `publish`"):
        operator.publisher().refresh()
    operator.publisher().refresh()


class InterruptionError(Exception):
    """A power cut or Ctrl-C."""


class InterruptedWriter:
    """Writes files as publishing does, and is interrupted before one of them."""

    def __init__(self, files_before: int):
        self.left = files_before
        self.written: list[str] = []

    def __call__(self, path: Path, content: bytes) -> None:
        if self.left == 0:
            raise InterruptionError
        self.left -= 1
        self.written.append(path.name)
        write_public(path, content)


@pytest.fixture(scope="module")
def started_rollout(tmp_path_factory, bundles):
    """A site in the middle of a rollout, a device that has seen it, and its offer."""
    folder = tmp_path_factory.mktemp("started_rollout")
    operator = Operator(folder)
    operator.publisher().push(bundles["1.0"])
    operator.publisher().push(bundles["3.0"], percent=30)
    with ModelServer(operator.site) as server:
        seen = Device(folder / "seen", operator.root, server.url())
        return operator, seen, seen.version()


@pytest.mark.parametrize(
    "act", [name if name == "push" else pytest.param(name, marks=pytest.mark.slow) for name in ACTIONS]
)
def test_interruption_at_any_file_leaves_a_valid_site(tmp_path, bundles, started_rollout, act):
    """A new device and one that knows the site accept it, and the operation can be repeated."""
    operator, seen, old = started_rollout
    cut, done, offered = 0, False, []
    while not done:
        place = tmp_path / f"cut-{cut}"
        site, keys = shutil.copytree(operator.site, place / "site"), shutil.copytree(operator.keys, place / "keys")
        writer = InterruptedWriter(cut)
        try:
            ACTIONS[act](SitePublisher(site, KeyFolder(keys), write=writer), bundles)
            done = True
        except InterruptionError:
            pass
        with ModelServer(site) as server:
            fresh = Device(place / "fresh", operator.root, server.url())
            other = seen.copy(place / "seen")
            other.settings = fresh.settings
            assert fresh.version() == other.version(), writer.written
            offered.append(fresh.version())
            assert list_faults(site, operator.root) == [], writer.written
            if not done:
                left = {
                    name: content
                    for name, content in read_files(site).items()
                    if not name.endswith("timestamp.json") and not name.startswith(".")  # hidden: not uploaded
                }
                again = SitePublisher(site, KeyFolder(keys))
                ACTIONS[act](again, bundles) if cut == 2 else again.refresh()
                assert list_faults(site, operator.root) == [] and fresh.version() == other.version()
                kept = read_files(site)
                assert all(kept[name] == content for name, content in left.items()), "a cache may hold these forever"
        cut += 1
    assert cut >= 4, "targets, snapshot and timestamp at least were interrupted"
    assert set(offered) <= {old, offered[-1]}, "devices see the old state or the new one"
