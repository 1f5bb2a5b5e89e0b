"""The schema: config/appliance.toml has every setting with its default and description; settings that conflict."""

import dataclasses
import re
from operator import attrgetter
from typing import get_type_hints

from appliance.settings.load import load_settings
from appliance.settings.schema import (
    Settings,
)
from support.paths import ROOT

CONFIG = ROOT / "config" / "appliance.toml"


def fields(kind=Settings, prefix=""):
    """Return every setting with its section; a nested section is named like update.firebase."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from fields(hints[field.name], f"{prefix}.{field.name}".lstrip("."))
        elif field.name != "path":
            yield prefix, field


def keys_in_file():
    """Return (section, key) → (the comment above it, whether it is commented out)"""
    found, section, comment = {}, None, ""
    for line in CONFIG.read_text().splitlines():
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            section = header[1]
        elif key := re.match(r"(#?)(\w+) = ", line):
            found[section, key[2]] = (comment, bool(key[1]))
        elif line.startswith("# "):
            comment = line[2:]
    return found


def test_shipped_file_has_the_defaults():
    assert dataclasses.replace(load_settings(CONFIG, {}), path=None) == Settings()


def test_shipped_file_has_every_setting_with_its_description():
    expected = {(section, field.name): field.metadata["description"] for section, field in fields()}
    assert {key: comment for key, (comment, _) in keys_in_file().items()} == expected


def test_key_is_commented_out_if_it_has_no_default():
    def has_default(field):
        default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
        return default is not None and default != {}

    expected = {(section, field.name) for section, field in fields() if not has_default(field)}
    assert {key for key, (_, commented_out) in keys_in_file().items() if commented_out} == expected


def test_commented_out_example_is_valid(tmp_path):
    for (section, key), (_, commented_out) in keys_in_file().items():
        if not commented_out:
            continue
        line = next(line for line in CONFIG.read_text().splitlines() if line.startswith(f"#{key} = "))
        extra = {"password_file": 'username = "me"\n', "cert_file": 'key_file = "k"\n', "key_file": 'cert_file = "c"\n'}
        extra |= {"android_package": f'android_cert = "{"0" * 40}"\n', "android_cert": 'android_package = "p"\n'}
        extra |= {"tls_fingerprint": 'source = "https://camera/shot.jpg"\n'}
        extra = extra.get(key, "")
        path = tmp_path / "one.toml"
        path.write_text(f"[{section}]\n{extra}{line[1:]}\n")
        assert attrgetter(f"{section}.{key}")(load_settings(path, {})) is not None
