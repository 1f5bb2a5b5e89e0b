"""Read files from folders, zips and lists without trusting them."""

import os
import pickle
import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.containers import FileList, find_sidecars, is_outside_folder
from appliance.workshop.datasets.open import open_dataset
from support.datasets import list_messages, make_files, make_picture, write_folder, write_zip

both = pytest.mark.parametrize("kind", ["folder", "zip"])


def write(kind, tmp_path, files):
    return write_folder(tmp_path / "set", files) if kind == "folder" else write_zip(tmp_path / "set.zip", files)


def test_links_are_not_followed(tmp_path):
    secret = write_folder(tmp_path / "elsewhere", {"secret.jpg": make_picture(7)})
    folder = write_folder(tmp_path / "set", make_files({"a": 1}))
    (folder / "a" / "link.jpg").symlink_to(secret / "secret.jpg")
    (folder / "b").symlink_to(secret)
    os.mkfifo(folder / "a" / "pipe.jpg")
    dataset = open_dataset(folder)
    assert len(dataset.examples) == 1 and dataset.labels == ("a",)
    assert list_messages(dataset, "refused") == [
        "a/link.jpg is a link; replace it with the file itself",
        "a/pipe.jpg is neither a file nor a folder",
    ]
    assert list_messages(dataset, "lost_label") == ["b is a link; replace it with the folder itself"]


def test_unreadable_subfolder_is_one_problem(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root can read every folder")
    folder = write_folder(tmp_path / "set", make_files({"a": 1, "b": 1}))
    (folder / "b").chmod(0)
    dataset = open_dataset(folder)
    (folder / "b").chmod(0o755)
    assert dataset.labels == ("a",) and list_messages(dataset, "lost_label") == [
        "the folder b cannot be read: Permission denied"
    ]


def test_unsafe_zip_entries_are_refused_and_the_rest_is_read(tmp_path):
    path = write_zip(tmp_path / "set.zip", make_files({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "C:/evil.jpg", "a\\..\\evil.jpg"):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, make_picture(3))
        link = zipfile.ZipInfo("a/link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        pipe = zipfile.ZipInfo("a/pipe.jpg")
        pipe.external_attr = (stat.S_IFIFO | 0o666) << 16
        archive.writestr(pipe, b"")
        archive.writestr("a/strong.jpg", make_picture(4), zipfile.ZIP_LZMA)
    dataset = open_dataset(path)
    assert [example.name for example in dataset.examples] == ["a/000.jpg"]
    messages = list_messages(dataset, "refused")
    assert len(messages) == 8
    assert sum("points outside the zip's folder" in message for message in messages) == 5
    assert "'a/link.jpg' is a link; pack the file itself" in messages
    assert "'a/pipe.jpg' is neither a file nor a folder" in messages
    assert any("'a/strong.jpg' is compressed" in message for message in messages)


def test_zip_name_with_backslashes_is_refused_with_its_reason(tmp_path):
    path = write_zip(tmp_path / "set.zip", make_files({"a": 1}))
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("x")
        entry.filename = "b\\001.jpg"
        archive.writestr(entry, make_picture(3))
    (message,) = list_messages(open_dataset(path), "refused")
    assert "has backslashes" in message


def test_encrypted_entry_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", make_files({"a": 2}))
    raw = bytearray(path.read_bytes())
    for signature, flags_at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = raw.index(signature) + flags_at
        raw[at] |= 1
    path.write_bytes(raw)
    dataset = open_dataset(path)
    assert len(dataset.examples) == 1
    assert list_messages(dataset, "refused") == ["'a/000.jpg' is encrypted; pack it without a password"]


def test_repeated_entry_is_a_problem(tmp_path):
    path = write_zip(tmp_path / "set.zip", make_files({"a": 2}))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/000.jpg", make_picture(50))
    dataset = open_dataset(path)
    assert len(dataset.examples) == 2 and "twice" in list_messages(dataset, "refused")[0]


def test_zip_bomb_is_refused_without_unpacking(tmp_path):
    """Forty entries share one run of packed bytes, so that 30 kB claim to be more than a gigabyte."""
    path = tmp_path / "bomb.zip"
    write_zip(path, {"a/0.bmp": bytes(29_000_000)}, zipfile.ZIP_DEFLATED)
    raw = path.read_bytes()
    start = raw.index(b"PK\x01\x02")
    local, entry = raw[:start], raw[start : raw.index(b"PK\x05\x06")]
    directory = b"".join(entry.replace(b"a/0.bmp", b"a/%c.bmp" % (48 + n)) for n in range(40))
    path.write_bytes(
        local + directory + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 40, 40, len(directory), len(local), 0)
    )
    with pytest.raises(DatasetError, match=r"refused as a zip bomb: 0\.\d MB would unpack to 1\.2 GB"):
        open_dataset(path)


def test_single_large_entry_is_not_read(tmp_path):
    path = write_zip(
        tmp_path / "set.zip", {**make_files({"a": 1}), "a/bomb.bmp": b"BM" + bytes(40_000_000)}, zipfile.ZIP_DEFLATED
    )
    dataset = open_dataset(path)
    assert len(dataset.examples) == 1 and "40.0 MB" in list_messages(dataset, "too_large")[0]


def test_entry_with_false_size_is_damaged(tmp_path):
    path = write_zip(
        tmp_path / "set.zip", {"a/x.bmp": b"BM" + bytes(12) + b"\x28" + bytes(1_000_000)}, zipfile.ZIP_DEFLATED
    )
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 5000)
    path.write_bytes(raw)
    (example,) = open_dataset(path).examples
    with pytest.raises(PictureError, match="a/x.bmp in .*set.zip is damaged"):
        example.read_bytes()


def test_damaged_entry_affects_only_itself(tmp_path):
    path = write_zip(
        tmp_path / "set.zip",
        {"a/0.bmp": make_picture(0, "BMP"), "a/1.bmp": make_picture(1, "BMP"), "a/2.jpg": make_picture(2)},
    )
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"a/0.bmp") + 10_000] ^= 0xFF  # found when all of it is read
    raw[raw.index(b"a/2.jpg") + 300] ^= 0xFF  # so small that the first bytes are all of it
    path.write_bytes(raw)
    dataset = open_dataset(path)
    damaged, whole = dataset.examples
    with pytest.raises(PictureError, match="a/0.bmp in .* is damaged and cannot be unpacked"):
        damaged.read_bytes()
    assert whole.read_bytes() == make_picture(1, "BMP")
    assert "a/2.jpg in" in list_messages(dataset, "unreadable")[0]


def test_truncated_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", make_files({"a": 3}))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DatasetError, match="truncated"):
        open_dataset(path)


@pytest.mark.parametrize("bits", [32, 64])
def test_zip_with_too_many_names_is_refused(bits, tmp_path):
    path = tmp_path / "many.zip"
    count = 400_000
    entry = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    directory = entry * count
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    if bits == 64:
        end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        end64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
        end = end64 + struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1) + end
    path.write_bytes(directory + end)
    with pytest.raises(DatasetError, match="17 MiB, more than the limit of 16 MiB"):
        open_dataset(path)


@both
def test_threads_and_other_processes_read_the_right_bytes(kind, tmp_path):
    # Larger than a file's buffer, so that each reading moves the position that a forked process shares.
    files = {f"{label}/{seed}.bmp": make_picture(seed, "BMP") for seed in range(20) for label in "ab"}
    dataset = open_dataset(write(kind, tmp_path, files))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda example: example.read_bytes(), dataset.examples * 5)) == [
            files[example.name] for example in dataset.examples * 5
        ]
    sent = pickle.loads(pickle.dumps(dataset))
    assert [example.read_bytes() for example in sent.examples] == [files[example.name] for example in dataset.examples]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # a process that was forked while the zip is open shares its file position
        try:
            same = all(example.read_bytes() == files[example.name] for _ in range(20) for example in dataset.examples)
        except PictureError:
            same = False
        os.write(writing, b"y" if same else b"n")
        os._exit(0)
    assert all(example.read_bytes() == files[example.name] for _ in range(20) for example in dataset.examples)
    assert os.read(reading, 1) == b"y"
    os.waitpid(child, 0)


@pytest.mark.parametrize("name", ["/a.jpg", "../a.jpg", "a/../../b.jpg", "C:/a.jpg", "a\\..\\b.jpg", "a\x00.jpg"])
def test_paths_that_lead_outside_are_recognized(name):
    assert is_outside_folder(name)
    assert not is_outside_folder("a/b..c/d.jpg")


def test_sidecar_is_found_by_its_stem():
    names = ["a/1.jpg", "a/1.json", "a/2.jpg", "3.json", "b.c/4.PNG", "b.c/4.JSON"]
    assert list(find_sidecars(names)) == [("a/1.jpg", "a/1.json"), ("b.c/4.PNG", "b.c/4.JSON")]


def test_file_list_reads_only_regular_files(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"12345")
    files = FileList()
    assert files.read(str(tmp_path / "a.jpg"), 3) == b"123"
    assert files.get_size_bytes(str(tmp_path / "a.jpg")) == 5
    for path in (tmp_path, tmp_path / "missing.jpg"):
        with pytest.raises(PictureError, match=f"{path.name} (is not a file|cannot be read)"):
            files.read(str(path), 3)
