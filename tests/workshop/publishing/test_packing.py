"""Bundles as files of the repository."""

import pytest

from appliance.errors import PublishError
from appliance.workshop.publishing.packing import pack_bundle
from support.bundles import bundle_folder


def test_same_bundle_gives_the_same_zip(bundles):
    assert pack_bundle(bundles["1.0"]).content == pack_bundle(bundles["1.0"]).content


def test_name_and_version_become_a_path_without_escapes(tmp_path):
    packed = pack_bundle(bundle_folder(tmp_path / "mine", name="küche / links", version="1.0"), "2.0rc1")
    assert packed.path == "bundles/k-che-links-2.0rc1.zip"
    assert packed.identity.version == "2.0rc1"


def test_invalid_version_is_refused(bundles):
    with pytest.raises(PublishError, match="'next' is not a version"):
        pack_bundle(bundles["1.0"], "next")
