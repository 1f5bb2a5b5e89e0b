"""Archives that are no zip are named for what they are."""

import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.open import open_dataset


def make_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/1.jpg"))
    return out.getvalue()


def make_zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("set.tar", make_tar(), "a tar archive; unpack it .tar xf set.tar."),
        ("set.tar.gz", gzip.compress(make_tar()), "tar xzf set.tar.gz"),
        ("set.txz", lzma.compress(make_tar()), "tar xJf set.txz"),
        ("set.rar", b"Rar!\x1a\x07\x01\x00", "a RAR archive; unpack it .unrar x set.rar."),
        ("set.zip", b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7-Zip archive; unpack it .7z x set.zip."),
        ("set.dat", b"PK\x03\x04" + bytes(30), "a zip; rename it to set.zip"),
        ("set.npz", make_zip("arr_0.npy"), "a zip without pictures"),
        ("set.tm", make_zip("a/1.jpg"), "a zip; rename it to set.zip"),
        ("set.zip.001", b"PK\x03\x04", "join the parts .cat set.zip.* > joined.zip."),
        ("set.z01", b"", "join the parts .zip -s 0 set.zip --out joined.zip."),
        ("labels.csv.gz", gzip.compress(b"1.jpg,a", mtime=0), "gunzip labels.csv.gz. and give labels.csv"),
    ],
    # The content of a .gz has the time, and all workers must collect the same names.
    ids=["tar", "gzip", "xz", "rar", "7-Zip", "zip", "npz", "tm", "001", "z01", "gz"],
)
def test_archive_is_named_with_its_command(name, content, advice, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=advice):
        open_dataset(tmp_path / name)
