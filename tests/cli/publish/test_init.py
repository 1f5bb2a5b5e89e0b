"""Test `appliance publish init`: the keys, the empty repository, and where each file belongs."""

import stat


def test_files_are_named_with_their_destinations(tmp_path, publish):
    status, out, err = publish("init")
    assert (status, err) == (0, "")
    keys = tmp_path / "keys"
    assert all(str(path) in out for path in (tmp_path / "site", keys / "root.json", keys / "root", keys))
    assert "update.root" in out
    assert (keys / "root.json").is_file()
    assert (tmp_path / "site" / "metadata" / "timestamp.json").is_file()


def test_only_the_owner_can_read_the_keys(tmp_path, publish):
    publish("init")
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").rglob("*.pem")}
    assert modes == {0o600}


def test_root_key_is_made_in_the_folder_for_it(tmp_path, publish):
    assert publish("init", "--root-keys", tmp_path / "safe")[0] == 0
    assert len(list((tmp_path / "safe").glob("root-*.pem"))) == 1
    assert not (tmp_path / "keys" / "root").exists()


def test_passphrase_encrypts_the_keys(tmp_path, publish):
    (tmp_path / "secret").write_text("open sesame\n")
    assert publish("init", "--passphrase-file", tmp_path / "secret")[0] == 0
    assert all(b"BEGIN ENCRYPTED" in file.read_bytes() for file in (tmp_path / "keys").rglob("*.pem"))


def test_encryption_without_a_passphrase_creates_nothing(tmp_path, publish):
    status, _, err = publish("init", "--encrypt")
    assert status == 1
    assert "--passphrase-file" in err
    assert list(tmp_path.rglob("*.pem")) == []


def test_existing_keys_are_not_replaced(tmp_path, publish):
    publish("init")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert publish("init")[0] == 1
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
