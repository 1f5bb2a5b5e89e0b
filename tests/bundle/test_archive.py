"""Zips: dangerous, damaged and oversized ones are rejected; written ones have the same bytes at any time."""

import io
import os
import stat
import time
import zipfile

import pytest

from appliance.bundle import archive
from support.tiny_bundles import assert_rejected, manifest_text, tiny_entries, write_entries
from support.tiny_models import tiny_model


def entry_info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (entry_info("../evil.txt"), "points outside of the bundle"),
        (entry_info("a/../../evil.txt"), "points outside of the bundle"),
        (entry_info("/etc/evil.txt"), "points outside of the bundle"),
        (entry_info("C:evil.txt"), "points outside of the bundle"),
        (entry_info("link", stat.S_IFLNK | 0o777), "is a link"),
        (entry_info("pipe", stat.S_IFIFO | 0o600), "neither a file nor a folder"),
        (entry_info("./dict.txt"), "twice"),
        (entry_info("dict.txt/more.txt"), "both a file and a folder"),
    ],
)
def test_dangerous_entry_is_rejected(tmp_path, entry, reason):
    write_entries(tmp_path / "evil.zip", [*tiny_entries(), (entry, b"/etc/passwd")])
    before = set(tmp_path.parent.iterdir())
    assert_rejected(tmp_path / "evil.zip", reason)
    assert set(tmp_path.parent.iterdir()) == before


def test_zip_bomb_is_rejected(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("zeros.bin", "w") as out:
        for _ in range(257):
            out.write(bytes(1 << 20))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 20
    assert_rejected(tmp_path / "bomb.zip", "would unpack to 257 MiB.*256 MiB")


@pytest.mark.parametrize("name", ["n" * 300, "/".join(["folder"] * 800), "n" * 300 + "/"])
def test_unsupported_file_name_is_rejected(tmp_path, name):
    write_entries(tmp_path / "b.zip", [*tiny_entries(), (name, b"")])
    assert_rejected(tmp_path / "b.zip", "name.*not supported")


def test_too_many_entries_are_rejected(tmp_path):
    write_entries(tmp_path / "many.zip", [(f"{number}.txt", b"") for number in range(archive.MAX_ENTRIES + 1)])
    assert_rejected(tmp_path / "many.zip", "has 1001 entries")


def test_damaged_zip_is_rejected(tmp_path):
    path = tmp_path / "cut.zip"
    write_entries(path, tiny_entries())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert_rejected(path, "cut.zip is not a zip file, or is truncated")
    damaged = bytearray(whole)
    damaged[whole.index(b"model.tflite") + 60] ^= 0xFF
    path.write_bytes(damaged)
    assert_rejected(path, "cannot be unpacked")
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    assert_rejected(path, "is encrypted")


def test_zip_that_declares_too_few_bytes_is_rejected(tmp_path):
    path = tmp_path / "liar.zip"
    write_entries(
        path,
        [
            ("manifest.json", manifest_text()),
            ("dict.txt", "red\ngreen\nblue"),
            ("model.tflite", tiny_model() + bytes(100_000)),
        ],
    )
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    assert_rejected(path, "damaged|truncated")


def test_written_zip_depends_on_its_entries_alone(monkeypatch):
    def write(entries, **options):
        file = io.BytesIO()
        archive.write_zip(file, entries, **options)
        return file.getvalue()

    entries = [("a.txt", b"a" * 1000), ("folder/b.bin", b"b")]
    first = write(entries)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    umask = os.umask(0o077)
    try:
        assert write(entries) == first
    finally:
        os.umask(umask)
    assert len(write(entries, compress=True)) < len(first)
    with zipfile.ZipFile(io.BytesIO(first)) as written:
        assert written.namelist() == ["a.txt", "folder/b.bin"] and written.read("folder/b.bin") == b"b"
        assert {entry.date_time for entry in written.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in written.infolist()} == {stat.S_IFREG | 0o644}


def test_written_zip_keeps_the_attributes_of_given_entries():
    entry = zipfile.ZipInfo("a.txt", (2001, 2, 3, 4, 5, 6))
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o600) << 16
    file = io.BytesIO()
    archive.write_zip(file, [(entry, b"a")])
    (written,) = zipfile.ZipFile(file).infolist()
    assert (written.date_time, written.compress_type) == ((2001, 2, 3, 4, 5, 6), zipfile.ZIP_DEFLATED)
    assert written.external_attr == entry.external_attr


def test_zip_can_be_appended_to_a_model():
    file = io.BytesIO(tiny_model())
    file.seek(0, io.SEEK_END)
    archive.write_zip(file, [("labels.txt", b"a\nb\n")])
    assert file.getvalue().startswith(tiny_model())
    assert zipfile.ZipFile(file).read("labels.txt") == b"a\nb\n"
