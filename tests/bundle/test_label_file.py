"""Label files as they occur in practice, and files that are not label files."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.label_file import parse_labels
from support.tiny_bundles import assert_rejected
from support.tiny_models import COLORS, write_tiny


@pytest.mark.parametrize(
    "text", ["red\ngreen\nblue", "red\ngreen\nblue\n", "red\r\ngreen\r\nblue\r\n", "\ufeffred\ngreen \nblue\n\n\n"]
)
def test_line_ends_and_byte_order_mark_are_ignored(tmp_path, text):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").write_bytes(text.encode())
    assert read_bundle(folder).labels == COLORS


def test_labels_keep_commas_and_letters(tmp_path):
    labels = ("tench, Tinca tinca", "crème brûlée", "a b")
    assert read_bundle(write_tiny(tmp_path / "folder", labels="\n".join(labels))).labels == labels


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (b"", "is empty"),
        (b"red\n\nblue\n", "line 2 is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a\0b", "binary"),
        (b"<html>", "web page"),
    ],
)
def test_other_files_are_rejected(tmp_path, labels, reason):
    folder = write_tiny(tmp_path / "folder")
    (folder / "dict.txt").write_bytes(labels)
    assert_rejected(folder, f"dict.txt.*{reason}")


def test_only_line_feeds_end_a_label():
    assert parse_labels("a\u2028b\x0bc\n".encode(), "it") == ("a\u2028b\x0bc",)
