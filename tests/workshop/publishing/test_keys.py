"""The operator's keys: missing, foreign, readable by others, encrypted."""

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.keys import KeyFolder
from appliance.workshop.publishing.publisher import SitePublisher
from support.publishing import read_files
from support.signed_site import Operator


def test_missing_and_foreign_keys_are_refused_before_any_change(operator, tmp_path, bundles):
    before = read_files(operator.site)
    stranger = Operator(tmp_path / "stranger")
    empty = tmp_path / "empty"
    empty.mkdir()
    foreign, gone = "keys of another site", "is missing; pass the folder"
    for keys, words in ((stranger.keys, foreign), (empty, gone), (tmp_path / "no", gone)):
        for act in (lambda it: it.push(bundles["1.0"]), lambda it: it.refresh(), lambda it: it.rollback()):
            with pytest.raises(PublishError, match=words):
                act(SitePublisher(operator.site, KeyFolder(keys)))
    assert read_files(operator.site) == before


def test_key_that_others_can_read_is_refused(operator):
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


def test_other_files_are_not_keys(operator):
    file = next(operator.keys.glob("targets-*.pem"))
    other = next(operator.keys.glob("snapshot-*.pem")).read_bytes()
    for content, reason in ((b"text", "not a private key"), (other, "not the key in its name")):
        file.write_bytes(content)
        with pytest.raises(PublishError, match=reason):
            operator.publisher().refresh()


def test_retired_keys_keep_their_names(tmp_path):
    keys = KeyFolder(tmp_path)
    old, new = keys.create("targets"), keys.create("targets")
    [retired] = keys.retire("targets", {new.public_key.keyid})
    assert retired.parent == tmp_path / "retired" and old.public_key.keyid.startswith(retired.stem.split("-")[1])
    assert keys.has("targets", new.public_key) and not keys.has("targets", old.public_key)
