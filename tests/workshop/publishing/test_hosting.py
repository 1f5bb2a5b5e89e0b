"""The configuration of Firebase Hosting, and what must not be uploaded."""

import json
import shutil

import pytest

from appliance.workshop.publishing.hosting import find_hosting_faults, write_hosting
from appliance.workshop.publishing.site_files import write_public
from support.publishing import list_faults


def test_caches_may_keep_only_immutable_files(operator):
    hosting = json.loads((operator.site / "firebase.json").read_bytes())["hosting"]
    assert "rewrites" not in hosting and hosting["public"] == "."
    kept = {rule["source"]: rule["headers"][0]["value"] for rule in hosting["headers"]}
    # The next root's "not there" must not be kept either, so roots are no-cache although their names carry a version.
    assert kept["/metadata/timestamp.json"] == kept["/metadata/*.root.json"] == "no-cache"
    assert all("immutable" in kept[source] for source in ("/metadata/*.@(targets|snapshot).json", "/targets/**"))
    assert (operator.site / "404.html").stat().st_size < 100


def test_private_key_in_the_site_is_found(operator):
    shutil.copy(next(operator.keys.glob("*.pem")), operator.site / "oops.txt")
    assert any("oops.txt is a private key" in fault for fault in list_faults(operator.site))


def test_existing_configuration_is_kept(tmp_path):
    (tmp_path / "firebase.json").write_text("{}")
    write_hosting(tmp_path, write_public)
    assert (tmp_path / "firebase.json").read_text() == "{}"
    assert (tmp_path / "404.html").exists()


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ('{"hosting": {"rewrites": [{"source": "**", "destination": "/index.html"}]}}', "rewrites"),
        ('{"hosting": [{"target": "a"}, {"rewrites": [1]}]}', "rewrites"),
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_faulty_configuration_is_found(tmp_path, config, fault):
    assert find_hosting_faults(tmp_path) == []
    (tmp_path / "firebase.json").write_text(config)
    [found] = find_hosting_faults(tmp_path)
    assert fault in found
