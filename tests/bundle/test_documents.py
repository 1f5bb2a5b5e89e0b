"""The card and the report stay with a bundle; nothing else that has their names is taken."""

import os

import pytest

from appliance.bundle.bundle import read_bundle, write_bundle
from appliance.bundle.documents import (
    MAX_CARD_BYTES,
    has_card,
    has_report,
    read_card,
    read_documents,
    read_report,
    write_documents,
)
from support.bundles import zipped
from support.tiny_models import write_tiny


@pytest.fixture
def source(tmp_path):
    folder = write_tiny(tmp_path / "colors")
    (folder / "README.md").write_text("# Colors")
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text("<p>report</p>")
    return folder


def test_documents_are_written_with_the_bundle(source, tmp_path):
    (tmp_path / "colors.zip").write_bytes(zipped(source))
    for number, path in enumerate((source, tmp_path / "colors.zip")):
        copy = tmp_path / str(number)
        write_bundle(read_bundle(path), copy)
        assert has_card(copy) and has_report(copy)
        assert (copy / "MODEL_CARD.md").read_bytes() == read_card(copy) == b"# Colors"
        assert (copy / "report.html").read_bytes() == read_report(copy) == b"<p>report</p>"


def test_files_beside_a_bare_model_are_not_its_documents(source):
    (source / "manifest.json").unlink()
    assert read_bundle(source / "model.tflite").folder is None
    assert read_documents(None) == {} and not has_card(None) and read_report(None) is None


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "large", "linked folder"])
def test_card_that_is_no_small_file_is_left_out(source, tmp_path, kind):
    card = source / "MODEL_CARD.md"
    (source / "README.md").unlink()
    if kind == "link":
        card.symlink_to("/etc/hostname")
    elif kind == "folder":
        card.mkdir()
    elif kind == "fifo":
        os.mkfifo(card)
    elif kind == "large":
        card.write_bytes(bytes(MAX_CARD_BYTES + 1))
    else:
        (source / "report").rename(tmp_path / "elsewhere")
        (source / "report").symlink_to(tmp_path / "elsewhere")
        assert read_report(source) is None
    assert read_card(source) is None and "MODEL_CARD.md" not in read_documents(source)
    read_bundle(source)


def test_same_document_is_not_written_again(tmp_path):
    write_documents({"MODEL_CARD.md": b"a"}, tmp_path)
    before = (tmp_path / "MODEL_CARD.md").stat().st_ino
    write_documents({"MODEL_CARD.md": b"a"}, tmp_path)
    assert (tmp_path / "MODEL_CARD.md").stat().st_ino == before
    write_documents({"MODEL_CARD.md": b"b"}, tmp_path)
    assert read_card(tmp_path) == b"b"
