"""Bundles as files of the repository."""

import json

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.documents import read_documents
from appliance.errors import PublishError
from appliance.workshop.publishing.packing import pack_bundle
from support.bundles import bundle_folder


def test_same_bundle_gives_the_same_zip(bundles):
    assert pack_bundle(bundles["1.0"]).content == pack_bundle(bundles["1.0"]).content


def test_card_and_report_are_published_with_the_bundle(tmp_path):
    folder = bundle_folder(tmp_path / "mine", name="mine", version="1.0")
    (folder / "README.md").write_text("# Card")
    (folder / "report.html").write_text("<p>report</p>")
    file = tmp_path / "mine.zip"
    file.write_bytes(pack_bundle(folder).content)
    assert read_documents(read_bundle(file).folder) == {"MODEL_CARD.md": b"# Card", "report.html": b"<p>report</p>"}


def test_record_of_the_training_is_published_with_the_bundle(tmp_path):
    folder = bundle_folder(tmp_path / "mine", name="mine", version="1.0")
    manifest = json.loads((folder / "manifest.json").read_text())
    record = {"dataset": {"pictures": {"cup": 30}}, "seed": 3}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "training": record}))
    file = tmp_path / "mine.zip"
    file.write_bytes(pack_bundle(folder).content)
    assert read_bundle(file).provenance.as_dict() == record


def test_name_and_version_become_a_path_without_escapes(tmp_path):
    packed = pack_bundle(bundle_folder(tmp_path / "mine", name="küche / links", version="1.0"), "2.0rc1")
    assert packed.path == "bundles/k-che-links-2.0rc1.zip"
    assert packed.identity.version == "2.0rc1"


def test_invalid_version_is_refused(bundles):
    with pytest.raises(PublishError, match="'next' is not a version"):
        pack_bundle(bundles["1.0"], "next")
