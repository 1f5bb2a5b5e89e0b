"""Which files are pictures, by content and name."""

import re

import pillow_heif
import pytest

from appliance.workshop.datasets.containers import FolderContainer
from appliance.workshop.datasets.duplicates import scan_pictures
from appliance.workshop.datasets.formats import check_picture_file
from appliance.workshop.datasets.open import open_dataset
from support.datasets import list_messages, make_files, make_picture, write_folder, write_zip

both = pytest.mark.parametrize("kind", ["folder", "zip"])


def write(kind, tmp_path, files):
    return write_folder(tmp_path / "set", files) if kind == "folder" else write_zip(tmp_path / "set.zip", files)


@both
@pytest.mark.parametrize(
    ("name", "content", "problem_kind", "message"),
    [
        ("a/page.jpg", b"<html>404 not found</html>", "unreadable", "not a picture, but a web page"),
        ("a/empty.png", b"", "unreadable", "not a picture"),
        (
            "a/really.jpg",
            make_picture(5, "PNG"),
            "wrong_format",
            "PNG, although its name claims JPEG; rename it to .png",
        ),
        ("a/x.dat", make_picture(5, "PNG"), "wrong_format", "PNG, which its name does not show"),
        ("a/new.jpg", make_picture(5, "WEBP"), "wrong_format", "contains WEBP, .* rename it to .webp"),
        ("a/drawing.svg", b"<svg/>", "wrong_format", "is SVG; supported formats are JPEG, PNG"),
        ("a/notes.txt", b"hello", "passed_over", "not a picture and was skipped"),
        ("a/nested.zip", b"PK\x03\x04", "unreadable", "an archive, .* unpack it there"),
        ("a/raw.dng", make_picture(5, "TIFF"), "wrong_format", "is DNG; supported formats"),
        ("a/1.jpg", b"version https://git-lfs.github.com/spec/v1\n", "unreadable", "git lfs pull"),
        ("a/1.jpg.part", make_picture(5), "unreadable", "did not finish"),
        ("a/huge.bmp", b"BM" + bytes(30_000_000), "too_large", "30.0 MB, more than 30 MB"),
        ("a/odd\x1b[2J.jpg", make_picture(5), "refused", r"'a/odd.*' has a name that cannot be printed"),
    ],
)
def test_unusable_file_is_a_problem(kind, name, content, problem_kind, message, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**make_files({"a": 1}), name: content}))
    assert [example.name for example in dataset.examples] == ["a/000.jpg"]
    assert len(dataset.problems) == 1 and re.search(message, list_messages(dataset, problem_kind)[0])


@both
@pytest.mark.parametrize("form", ["WEBP", "TIFF", "AVIF", "HEIF"])
def test_picture_of_a_newer_format_is_read(kind, form, tmp_path):
    suffix = {"TIFF": "tif", "HEIF": "HEIC"}.get(form, form.lower())
    pillow_heif.register_heif_opener()
    content = make_picture(5, form)
    (example,) = open_dataset(write(kind, tmp_path, {f"a/1.{suffix}": content})).examples
    (scan,) = scan_pictures([example])
    assert scan.error is None and scan.format == form.replace("HEIF", "HEIC")


@both
def test_picture_without_suffix_is_recognized_by_content(kind, tmp_path):
    assert len(open_dataset(write(kind, tmp_path, {"a/IMG_1": make_picture(1)})).examples) == 1


@both
def test_text_that_begins_like_a_bmp_is_skipped(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**make_files({"BMW": 1}), "labels.txt": b"BMW\nAudi\nVolkswagen\n"}))
    assert [problem.kind for problem in dataset.problems] == ["passed_over"]


def test_listed_file_that_is_not_a_picture_is_unreadable(tmp_path):
    container = FolderContainer(write_folder(tmp_path, {"notes.txt": b"hello"}))
    assert check_picture_file(container, "notes.txt", "notes.txt").kind == "passed_over"
    assert check_picture_file(container, "notes.txt", "notes.txt", is_listed=True).kind == "unreadable"
