"""The settings reference that is generated from the schema."""

import dataclasses
import tomllib

from appliance.settings.reference import describe_sections, settings_reference
from appliance.settings.schema import Settings
from support.paths import ROOT


def test_reference_has_every_key_of_the_shipped_file():
    shipped = tomllib.loads((ROOT / "config" / "appliance.toml").read_text())
    sections = {section.name: {setting.key for setting in section.settings} for section in describe_sections()}
    assert list(sections) == [
        "device", "camera", "labeler", "events", "mqtt", "update", "update.firebase", "web", "history", "collect",
        "log",
    ]  # fmt: skip
    for name, table in shipped.items():
        assert {key for key, value in table.items() if not isinstance(value, dict)} <= sections[name]
    assert sum(map(len, sections.values())) == settings_reference().count("\n| `")


def test_defaults_are_valid_toml():
    for section in describe_sections():
        kind = Settings()
        for part in section.name.split("."):
            kind = getattr(kind, part)
        for setting in section.settings:
            default = getattr(kind, setting.key)
            if setting.default is None:
                assert default is None or default == {}
            else:
                value = tomllib.loads(f"value = {setting.default}")["value"]
                assert (tuple(value) if isinstance(value, list) else value) == default


def test_row_has_type_default_and_description():
    text = settings_reference()
    field = next(field for field in dataclasses.fields(Settings().mqtt) if field.name == "keepalive_s")
    assert f"| `keepalive_s` | whole number | `30` | {field.metadata['description']} |" in text
    assert '| `protocol` | "5", "3.1.1" | `"5"` |' in text
    assert '| `region` | list of 4 numbers or "square" |  |' in text
    assert "| `thresholds` | table of numbers |  |" in text
    assert "| `allow` | list of strings | `[]` |" in text
