"""Which paths in the settings the service cannot use because of its unit."""

import os
import re
from pathlib import Path

import pytest

from appliance.errors import SettingsError
from appliance.settings.load import load_settings
from appliance.settings.path_access import check_paths, find_hidden_path, list_paths

MANAGED = {"NOTIFY_SOCKET": "/run/systemd/notify"}
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


def load(tmp_path, name, path):
    section, key = name.split(".")
    file = tmp_path / "appliance.toml"
    file.write_text(f'[{section}]\n{key} = "{path}"\n{SETTINGS[name]}\n')
    return load_settings(file, {})


@pytest.mark.parametrize("name", SETTINGS)
def test_home_folder_is_refused_with_a_folder_that_works(tmp_path, name):
    settings = load(tmp_path, name, "/home/nobody-here/x")
    with pytest.raises(SettingsError, match="ProtectHome") as raised:
        check_paths(settings, MANAGED) if name != "collect.dir" else check_as_nobody(settings)
    assert name in str(raised.value) and "/var/lib/appliance" in str(raised.value)
    check_paths(settings, {})  # in a terminal, the folder may exist
    assert f"{name}: the service cannot use /home/nobody-here/x" in find_hidden_path(settings)


def check_as_nobody(settings):
    """Check in a process that may not write to /home, and raise its error here."""
    if os.geteuid() != 0:
        return check_paths(settings, MANAGED)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            check_paths(settings, MANAGED)
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


def test_own_tmp_is_named_for_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="PrivateTmp"):
        check_paths(load(tmp_path, "labeler.model", "/tmp/model-that-is-not-there.zip"), MANAGED)


def test_readable_and_unused_paths_are_accepted(tmp_path):
    check_paths(load(tmp_path, "labeler.model", tmp_path), MANAGED)
    check_paths(load(tmp_path, "labeler.model", "/srv/missing"), MANAGED)  # the loader of models reports it
    settings = load(tmp_path, "collect.dir", tmp_path)
    check_paths(settings, MANAGED)
    assert find_hidden_path(load(tmp_path, "labeler.model", "/etc/appliance/model")) is None
    file = tmp_path / "off.toml"
    file.write_text('[collect]\ndir = "/home/x"\n')
    assert list(list_paths(load_settings(file, {}))) == []


def test_only_a_service_of_the_system_has_the_protections(tmp_path):
    settings = load(tmp_path, "labeler.model", "/tmp/model-that-is-not-there.zip")
    for socket in ("/run/user/1000/systemd/notify", f"{tmp_path}/notify"):
        check_paths(settings, {"NOTIFY_SOCKET": socket})


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
