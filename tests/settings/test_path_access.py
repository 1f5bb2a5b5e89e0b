"""Which paths in the settings the service cannot use because of its unit."""

import os
import re
import tempfile
from pathlib import Path

import pytest

from appliance.errors import SettingsError
from appliance.settings.credentials import CREDENTIALS
from appliance.settings.load import load_settings
from appliance.settings.path_access import Protections, check_paths, find_hidden_path, list_paths

MANAGED = {"NOTIFY_SOCKET": "/run/systemd/notify"}
# Lines of /proc/self/mountinfo in a service with ProtectHome=yes and PrivateTmp=yes, on Bookworm.
MOUNTS = """\
563 511 0:25 /systemd/inaccessible/dir /home ro,nosuid,nodev,noexec - tmpfs tmpfs rw,size=3292128k
571 511 8:2 /tmp/systemd-private-3a6a18390b59-appliance.service-bEgYkk/tmp /tmp rw,relatime - ext4 /dev/sda2 rw
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")

# Each setting that is a path, with what makes it one that is used.
SETTINGS = {
    "labeler.model": "",
    "camera.source": "",
    "camera.password_file": 'username = "u"\nsource = "rtsp://c/"',
    "camera.ca_file": 'source = "https://c/"',
    "mqtt.password_file": 'username = "u"',
    "mqtt.ca_file": "",
    "mqtt.cert_file": 'key_file = "/etc/appliance/key"',
    "mqtt.key_file": 'cert_file = "/etc/appliance/crt"',
    "update.ca_file": "",
    "update.root": 'source = "repository"\nurl = "https://h/"',
    "web.cert_file": 'key_file = "/etc/appliance/web.key"',
    "web.key_file": 'cert_file = "/etc/appliance/web.crt"',
    "collect.dir": "enabled = true",
}


@pytest.fixture
def mounts():
    """Return the file of mounts in a service with all protections; other accounts can read it, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "mountinfo")
        file.write_text(MOUNTS)
        yield file


def load(tmp_path, name, path):
    section, key = name.split(".")
    file = tmp_path / "appliance.toml"
    file.write_text(f'[{section}]\n{key} = "{path}"\n{SETTINGS[name]}\n')
    return load_settings(file, {})


@pytest.mark.parametrize("name", SETTINGS)
def test_home_folder_is_refused_with_a_folder_that_works(tmp_path, mounts, name):
    settings = load(tmp_path, name, "/home/nobody-here/x")
    with pytest.raises(SettingsError, match="ProtectHome") as raised:
        check_paths(settings, MANAGED, mounts) if name != "collect.dir" else check_as_nobody(settings, mounts)
    assert name in str(raised.value) and "/var/lib/appliance" in str(raised.value)
    check_paths(settings, {})  # in a terminal, the folder may exist
    assert f"{name}: the service cannot use /home/nobody-here/x" in find_hidden_path(settings, Protections(home=True))


def check_as_nobody(settings, mounts, environ=MANAGED, credentials=CREDENTIALS):
    """Check in a process that may not write to /home, and raise its error here."""
    if os.geteuid() != 0:
        return check_paths(settings, environ, mounts, credentials)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            check_paths(settings, environ, mounts, credentials)
        except SettingsError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if text:
        raise SettingsError(text)
    return None


def test_own_tmp_is_named_for_a_file_that_is_not_there(tmp_path, mounts):
    with pytest.raises(SettingsError, match="PrivateTmp"):
        check_paths(load(tmp_path, "labeler.model", "/tmp/model-that-is-not-there.zip"), MANAGED, mounts)


def test_protections_are_found_in_a_container_too():
    """There, systemd closes folders with a file of the host."""
    line = "366 326 0:48 /host/inaccessible/dir /root ro,nosuid,nodev,noexec shared:106 master:6 - tmpfs tmpfs rw"
    assert Protections.from_mounts(line) == Protections(home=True)


def test_protection_that_a_drop_in_turned_off_is_not_named(tmp_path, mounts):
    mounts.write_text("40 1 8:3 / /home rw,relatime - ext4 /dev/sda3 rw\n41 1 0:40 / /tmp rw - tmpfs tmpfs rw\n")
    for path in ("/home/nobody-here/x", "/tmp/model-that-is-not-there.zip"):
        settings = load(tmp_path, "labeler.model", path)
        check_paths(settings, MANAGED, mounts)  # the loader of models reports that it does not exist
        assert find_hidden_path(settings, Protections()) is None


@needs_root
@pytest.mark.parametrize("name", ["labeler.model", "mqtt.ca_file", "update.root"])
def test_file_that_the_account_may_not_read_is_named_with_a_folder(tmp_path, mounts, name):
    mounts.write_text("")
    closed = mounts.parent / "closed"
    closed.mkdir(mode=0o700)
    (closed / "x").write_text("")
    with pytest.raises(SettingsError, match=rf"{name}: this account may not read .*/closed/x; put it into /etc/"):
        check_as_nobody(load(tmp_path, name, closed / "x"), mounts)
    check_as_nobody(load(tmp_path, "camera.source", closed / "x"), mounts)  # tried again by the camera


@needs_root
@pytest.mark.parametrize("name", ["mqtt.key_file", "mqtt.ca_file", "camera.password_file"])
def test_credential_of_which_the_service_gets_a_copy_is_accepted(tmp_path, mounts, name):
    mounts.write_text("")
    folder, copies = mounts.parent / "credentials", mounts.parent / "copies"
    folder.mkdir(mode=0o700)
    copies.mkdir()
    (folder / "secret").write_text("")
    settings = load(tmp_path, name, folder / "secret")
    environ = MANAGED | {"CREDENTIALS_DIRECTORY": str(copies)}
    with pytest.raises(SettingsError, match="may not read"):
        check_as_nobody(settings, mounts, environ, folder)
    (copies / "secrets_secret").write_text("")
    check_as_nobody(settings, mounts, environ, folder)


def test_readable_and_unused_paths_are_accepted(tmp_path, mounts):
    check_paths(load(tmp_path, "labeler.model", tmp_path), MANAGED, mounts)
    check_paths(load(tmp_path, "labeler.model", "/srv/missing"), MANAGED, mounts)  # the loader of models reports it
    settings = load(tmp_path, "collect.dir", tmp_path)
    check_paths(settings, MANAGED, mounts)
    settings = load(tmp_path, "labeler.model", "/etc/appliance/model")
    assert find_hidden_path(settings, Protections(home=True, tmp=True)) is None
    file = tmp_path / "off.toml"
    file.write_text('[collect]\ndir = "/home/x"\n')
    assert list(list_paths(load_settings(file, {}))) == []


def test_only_a_service_of_the_system_has_the_protections(tmp_path, mounts):
    settings = load(tmp_path, "labeler.model", "/tmp/model-that-is-not-there.zip")
    for socket in ("/run/user/1000/systemd/notify", f"{tmp_path}/notify"):
        check_paths(settings, {"NOTIFY_SOCKET": socket}, mounts)


@pytest.mark.parametrize("name", SETTINGS)
def test_name_too_long_is_an_error_of_the_settings(tmp_path, name):
    for path in ("/" + "n" * 300, "/" + "/".join(["n" * 200] * 30)):
        with pytest.raises(SettingsError, match="at most") as raised:
            load(tmp_path, name, path)
        assert (
            re.search(rf"line \d+: {name} (contains a name of|has)", str(raised.value)) and len(str(raised.value)) < 400
        )


def test_every_path_of_the_schema_is_covered():
    import dataclasses
    from typing import get_type_hints

    from appliance.settings.schema import Settings

    kinds = {name: kind for name, kind in get_type_hints(Settings).items() if dataclasses.is_dataclass(kind)}
    paths = {
        f"{section}.{key}"
        for section, kind in kinds.items()
        for key, hint in get_type_hints(kind).items()
        if hint in (Path, Path | None)
    }
    assert paths <= SETTINGS.keys()
