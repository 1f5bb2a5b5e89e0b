"""Label files as they occur in practice, and files that are not label files."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.label_file import parse_labels, strip_numbers
from appliance.errors import BundleError
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


@pytest.mark.parametrize(
    "text",
    ["0 {}", "0: {}", "0:{}", "0,{}", "0\t{}", "0;{}", "0. {}", "0) {}", "0 - {}", '0,"{}"'],
)
def test_indexes_before_the_labels_are_removed(text):
    lines = [text.replace("0", str(index), 1).format(color) for index, color in enumerate(COLORS)]
    assert strip_numbers(parse_labels("\n".join(lines).encode(), "it")) == COLORS


def test_indexes_from_1_need_a_clear_separator():
    assert strip_numbers(("1: red", "2: green")) == ("red", "green")
    assert strip_numbers(("1 room", "2 rooms")) == ("1 room", "2 rooms")


@pytest.mark.parametrize(
    "labels",
    [
        ("2 litre bottle", "1 litre bottle"),
        ("0", "1", "2"),
        ("10", "100"),
        ("0 cups", "1 cups", "2 cups"),
        ("0,5 kg", "1,5 kg"),
        ("0:15", "1:30"),
        ("0 red", "green"),
        ("0 red", "2 green"),
    ],
)
def test_numbers_that_belong_to_labels_stay(labels):
    assert strip_numbers(labels) == labels


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_encodings_with_a_byte_order_mark_are_read(encoding):
    assert parse_labels("\ufeffMüll\nrot\n".encode(encoding), "it") == ("Müll", "rot")


def test_other_encoding_asks_for_utf_8():
    with pytest.raises(BundleError, match=r"byte 1\); save it as UTF-8"):
        parse_labels("Müll".encode("latin-1"), "it")


def test_control_characters_are_removed_and_length_is_bounded(tmp_path):
    folder = write_tiny(tmp_path / "folder", labels="r\x1b[31med\ngreen\u202e\n" + "b" * 300)
    red, green, blue = read_bundle(folder).labels
    assert (red, green, len(blue)) == ("red", "green", 255)


def test_label_without_visible_character_is_rejected(tmp_path):
    assert_rejected(write_tiny(tmp_path / "folder", labels="red\n\x1b[0m\nblue"), "label 2 contains no visible")
