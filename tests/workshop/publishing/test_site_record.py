"""What a copy of a site and its keys remember."""

import pytest

from appliance.workshop.publishing.seen_versions import SeenVersion
from appliance.workshop.publishing.site_record import SITE_FILE_NAME, SiteMemory, SiteRecord, read_record, write_record

URL = "https://models.example.org"


def test_memory_of_the_keys_survives_an_old_copy_of_the_site(tmp_path):
    site, keys = tmp_path / "site", tmp_path / "keys"
    site.mkdir()
    keys.mkdir()
    memory = SiteMemory(site, keys)
    memory.keep_served(URL)
    assert memory.remember(URL, {"timestamp": SeenVersion(5, "a")})
    (site / SITE_FILE_NAME).write_text("")
    assert SiteMemory(site, keys).get_seen(URL)["timestamp"].version == 5
    assert SiteMemory(site, keys).served is None
    assert SiteMemory(None, None).remember(URL, {}) is False


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"served": 5, "seen": []}', '{"served": "\\ud800"}', '{"served": "a\\nb"}', "[" * 100_000]
)
def test_damaged_record_is_empty(tmp_path, text):
    (tmp_path / "record").write_text(text)
    assert read_record(tmp_path / "record") == SiteRecord()


def test_record_is_read_as_written(tmp_path):
    record = SiteRecord(URL).remember(URL, {"root": SeenVersion(2, "x")}).remember("signed", {})
    write_record(tmp_path / "record", record)
    assert read_record(tmp_path / "record") == record
