"""Damaged metadata of a site: one sentence, whatever it contains."""

import json

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.metadata_files import MetadataFiles, parse_metadata
from appliance.workshop.publishing.signed_site import SignedSite


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"signed": {"version": 1' + b"0" * 5000 + b"}}",
        b'{"signed": {"_type": "timestamp", "version": "\\ud800"}, "signatures": []}',
    ],
)  # fmt: skip
def test_what_is_no_metadata_is_one_sentence(content):
    with pytest.raises(PublishError, match="x cannot be read") as caught:
        parse_metadata(content, "timestamp", "x")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    str(caught.value).encode()


def test_metadata_of_another_role_is_refused(operator):
    with pytest.raises(PublishError, match="is not snapshot metadata"):
        parse_metadata(operator.file("targets").read_bytes(), "snapshot", "x")


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
@pytest.mark.parametrize(
    "change",
    [{"version": 10**400}, {"expires": "0001-01-01T00:00:00Z"}, {"signed_at": "\ud800"}, {"spec_version": "9"}],
)
def test_strange_contents_of_a_site_are_one_sentence(operator, role, change):
    file = operator.file(role)
    values = json.loads(file.read_bytes())
    values["signed"] |= change
    file.write_text(json.dumps(values))
    with pytest.raises(PublishError) as caught, SignedSite(operator.site):
        pass
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_versions_are_in_numerical_order(operator):
    for version in (2, 10):
        (operator.site / f"metadata/{version}.root.json").write_bytes(b"")
    (operator.site / "metadata/x.root.json").write_bytes(b"")
    assert MetadataFiles(operator.site).list_versions("root") == [1, 2, 10]
