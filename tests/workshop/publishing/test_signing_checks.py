"""What is found before a site is signed, and that it can be repaired."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from support.publishing import list_faults, read_files


@pytest.mark.parametrize("place", ["targets-1.pem", "backup/keys/root.pem", ".keys/key", "targets/bundles/notes.txt"])
def test_private_key_inside_the_site_stops_before_signing(operator, place):
    file = operator.site / place
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(next(operator.keys.glob("targets-*.pem")), file)
    before = read_files(operator.site)
    with pytest.raises(PublishError, match=f"{place} is a private key; remove it"):
        operator.publisher().refresh()
    assert read_files(operator.site) == before
    file.unlink()
    operator.publisher().refresh()


@pytest.mark.parametrize("days", [-2, 3650])
def test_wrong_clock_stops_before_signing_and_is_repaired(operator, device, days):
    operator.put("1.0")
    wrong = datetime.now(UTC) + timedelta(days=days)
    before = read_files(operator.site)
    with pytest.raises(PublishError, match="clock shows"):
        operator.publisher(now=wrong).refresh()
    assert read_files(operator.site) == before
    operator.publisher(now=wrong, trust_clock=True).refresh()  # as an earlier release did
    if days > 0:
        with pytest.raises(PublishError, match="signed last.*--trust-clock"):
            operator.publisher().refresh()
    operator.publisher(trust_clock=True).refresh()
    assert device.version() == "1.0" and list_faults(operator.site, operator.root) == []


def test_site_of_a_clock_in_1970_is_refused_at_init(tmp_path):
    publisher = SitePublisher(tmp_path / "site", KeyFolder(tmp_path / "keys"), now=datetime.fromtimestamp(86_400, UTC))
    with pytest.raises(PublishError, match="1970-01-02"):
        publisher.init()
    assert not (tmp_path / "keys").exists()


class InterruptionError(Exception):
    """The process ended here."""


def test_interrupted_init_is_finished_by_running_it_again(tmp_path, monkeypatch):
    """Interrupted before each file: of the site, and of the keys."""
    import appliance.workshop.publishing.keys as keys_module
    from appliance.workshop.publishing.site_files import write_public

    for cut in range(20):
        place = tmp_path / str(cut)
        left = cut

        def count() -> None:
            nonlocal left
            if left == 0:
                raise InterruptionError
            left -= 1

        def write(path, content):
            count()
            write_public(path, content)

        original = keys_module.write_durably

        def write_key(path, content, mode, original=original):
            count()
            original(path, content, mode)

        monkeypatch.setattr(keys_module, "write_durably", write_key)
        try:
            SitePublisher(place / "site", KeyFolder(place / "keys"), write=write).init()
            is_done = True
        except InterruptionError:
            is_done = False
        monkeypatch.setattr(keys_module, "write_durably", original)
        if is_done:
            assert cut >= 9
            return
        if (place / "site/metadata/1.root.json").exists() and not (place / "site/metadata/timestamp.json").exists():
            with pytest.raises(PublishError, match="init` was interrupted, run it again"):
                SitePublisher(place / "site", KeyFolder(place / "keys")).refresh()
        SitePublisher(place / "site", KeyFolder(place / "keys")).init()
        SitePublisher(place / "site", KeyFolder(place / "keys")).refresh()
        assert list_faults(place / "site", place / "keys/root.json") == [], cut
        assert (place / "site/firebase.json").exists() and (place / "site/404.html").exists()
    raise AssertionError("init was never finished")


def test_keys_of_another_site_are_never_set_aside(operator, tmp_path):
    names = sorted(file.name for file in operator.keys.rglob("*"))
    with pytest.raises(PublishError, match="already contains keys"):
        SitePublisher(tmp_path / "second", KeyFolder(operator.keys)).init()
    assert sorted(file.name for file in operator.keys.rglob("*")) == names
