"""`appliance dataset pack`: every form into every other, splits kept or made, and nothing half-written."""

import csv
import io
import zipfile
from collections import Counter

import pytest
from PIL import Image

from appliance.cli import main
from appliance.errors import DatasetError, PictureError
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.pack import PackOptions, pack_dataset
from support.datasets import (
    make_files,
    make_picture,
    make_pixels,
    write_folder,
    write_zip,
)

FORMS = ["zip", "folder", "csv"]
SIDECAR = b'{"reason": "unsure", "labels": [{"label": "a", "score": 0.4}], "model": {"name": "m", "version": "1"}}'


def pack(source, out, form, *options):
    assert main(["dataset", "pack", str(source), "--out", str(out), "--form", form, *options]) == 0
    return out / "index.csv" if form == "csv" else out


def list_content(path):
    """(label, split, bytes) of each picture, in no order."""
    dataset = open_dataset(path)
    return Counter((e.label, e.split, e.read_bytes()) for e in (*dataset.examples, *dataset.unlabeled))


def write_index(folder, split):
    """An index of a folder's pictures that marks all the labeled ones the same."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    rows = [f"{split},{name},{name.split('/')[0]}" if "/" in name else f",{name}" for name in names]
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder / "index.csv"


@pytest.fixture
def plain(tmp_path):
    return write_folder(
        tmp_path / "plain", {**make_files({"a": 12, "b": 15}), "later.jpg": make_picture(99), "later.json": SIDECAR}
    )


@pytest.mark.parametrize("second", FORMS)
@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("splits", ["keep", "make", "all TRAIN", "all TEST", "all TRAIN, none unlabeled"])
def test_two_conversions_lose_nothing(first, second, splits, plain, tmp_path):
    source, option = plain, splits
    if splits.startswith("all"):
        if splits.endswith("none unlabeled"):
            (plain / "later.jpg").unlink()
        source, option = write_index(plain, splits.split()[1].rstrip(",")), "keep"
    one = pack(source, tmp_path / f"one.{first}", first, "--split", option)
    two = pack(one, tmp_path / f"two.{second}", second)
    assert list_content(two) == list_content(one)
    assert {(label, data) for label, _, data in list_content(two)} == {
        (label, data) for label, _, data in list_content(plain)
    }
    made = Counter(split for label, split, _ in list_content(two).elements() if label)
    assert made == {
        "keep": {None: 27},
        "make": {"train": 22, "validation": 3, "test": 2},
        "all TEST": {"test": 27},
    }.get(splits, {"train": 27})


def test_split_of_unlabeled_pictures_makes_no_split_folders(plain, tmp_path):
    (plain / "index.csv").write_text("TRAIN,later.jpg\n" + "".join(f",a/{n:03d}.jpg,a\n" for n in range(12)))
    out = pack(plain / "index.csv", tmp_path / "out", "folder")
    assert open_dataset(out).labels == ("a",)


def test_zip_has_automls_structure(plain, tmp_path):
    with zipfile.ZipFile(pack(plain, tmp_path / "out.zip", "zip")) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"a", "b", "later.jpg", "later.json"}
        assert "a/000.jpg" in archive.namelist()


def test_index_has_automls_rows(plain, tmp_path):
    rows = list(csv.reader(pack(plain, tmp_path / "out", "csv").read_text().splitlines()))
    assert rows[0] == ["a/000.jpg", "a"] and rows[-1] == ["later.jpg"]
    rows = list(csv.reader(pack(plain, tmp_path / "made", "csv", "--split", "make").read_text().splitlines()))
    assert Counter(row[0] for row in rows) == {"TRAIN": 22, "VALIDATION": 3, "TEST": 2, "UNASSIGNED": 1}


def test_splits_can_be_dropped_or_selected(plain, tmp_path):
    made = pack(plain, tmp_path / "made.zip", "zip", "--split", "make", "--seed", "5")
    assert {split for _, split, _ in list_content(pack(made, tmp_path / "none.zip", "zip", "--split", "none"))} == {
        None
    }
    for split in ("train", "validation", "test"):
        expected = {data for label, its_split, data in list_content(made) if its_split == split and label}
        alone = pack(plain, tmp_path / f"{split}.zip", "zip", "--split", split, "--seed", "5")
        assert {data for _, _, data in list_content(alone)} == expected
        assert open_dataset(alone).labels == ("a", "b") and not open_dataset(alone).unlabeled


def test_same_seed_gives_the_same_bytes(plain, tmp_path):
    one, two, other = (
        pack(plain, tmp_path / f"{name}.zip", "zip", "--split", "make", "--seed", seed).read_bytes()
        for name, seed in (("one", "1"), ("two", "1"), ("other", "2"))
    )
    assert one == two != other


def test_prediction_of_collected_frame_is_kept(plain, tmp_path):
    (example,) = open_dataset(pack(plain, tmp_path / "out.zip", "zip")).unlabeled
    assert (example.prediction.label, example.prediction.score) == ("a", 0.4)


def test_pictures_of_the_same_name_get_numbers(tmp_path):
    others = {"3/x.png": make_picture(3, "PNG"), "4/X.jpg": make_picture(4)}
    folder = write_folder(tmp_path / "set", {f"{n}/x.jpg": make_picture(n) for n in range(3)} | others)
    (folder / "index.csv").write_text(
        "".join(f"{name},a\n" for name in ("0/x.jpg", "1/x.jpg", "2/x.jpg", "3/x.png", "4/X.jpg"))
    )
    out = pack(folder / "index.csv", tmp_path / "out", "folder")
    assert sorted(path.name for path in (out / "a").iterdir()) == ["X_5.jpg", "x.jpg", "x_2.jpg", "x_3.jpg", "x_4.png"]


def test_existing_output_is_not_overwritten(plain, tmp_path, capsys):
    for form in FORMS:
        assert main(["dataset", "pack", str(plain), "--out", str(plain), "--form", form]) == 1
        assert "already exists" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    pack(plain, tmp_path / "empty", "folder")


def test_invalid_label_name_is_not_packed(tmp_path):
    dataset = open_dataset(write_zip(tmp_path / "set.zip", make_files({"t-shirt": 1})))
    with pytest.raises(DatasetError, match="cannot be packed: the label 't-shirt' is not"):
        pack_dataset(dataset, tmp_path / "out.zip", "zip")


@pytest.mark.parametrize("form", FORMS)
def test_interrupted_packing_leaves_nothing(form, plain, tmp_path):
    dataset = open_dataset(plain)

    def progress(done, total):
        if done == total:  # all are read; one goes before it is copied
            (plain / "b" / "007.jpg").unlink()

    before = set(tmp_path.iterdir())
    with pytest.raises(PictureError, match="007.jpg cannot be read"):
        pack_dataset(dataset, tmp_path / "out", form, progress=progress)
    assert set(tmp_path.iterdir()) == before


def test_unwritable_output_is_an_error(plain, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"out.zip cannot be written: .*file: File exists"):
        pack_dataset(open_dataset(plain), tmp_path / "file" / "out.zip", "zip")


@pytest.mark.parametrize("form", FORMS)
def test_long_names_are_shortened(form, tmp_path):
    files = {f"a/{'写' * 90}{number}.jpg": make_picture(number) for number in range(3)}
    out = tmp_path / ("out.zip" if form == "zip" else "out")
    again = open_dataset(pack(write_zip(tmp_path / "set.zip", files), out, form))
    assert sorted(example.read_bytes() for example in again.examples) == sorted(files.values())
    assert all(len(example.key.rpartition("/")[2].encode()) <= 255 for example in again.examples)


def test_converted_pictures_are_upright_jpegs_without_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned to the right by the camera
    out = io.BytesIO()
    Image.fromarray(make_pixels(1, 80, 40)).save(out, "JPEG", exif=exif)
    plain = make_picture(2)
    files = {"a/turned.jpg": out.getvalue(), "a/plain.jpg": plain, "a/new.webp": make_picture(3, "WEBP")}
    dataset = open_dataset(write_folder(tmp_path / "set", files))
    pack_dataset(dataset, tmp_path / "out", "folder", options=PackOptions(convert=True))
    packed = {path.name: path.read_bytes() for path in (tmp_path / "out" / "a").iterdir()}
    assert set(packed) == {"turned.jpg", "plain.jpg", "new.jpg"} and packed["plain.jpg"] == plain
    turned = Image.open(io.BytesIO(packed["turned.jpg"]))
    assert turned.size == (40, 80) and not turned.getexif()


def test_prefix_makes_addresses_that_are_read_back(tmp_path):
    dataset = open_dataset(
        write_folder(tmp_path / "set", {"a/my picture.jpg": make_picture(1), "b/2.jpg": make_picture(2)})
    )
    pack_dataset(dataset, tmp_path / "out", "jsonl", options=PackOptions(prefix="gs://mine/set"))
    text = (tmp_path / "out" / "index.jsonl").read_text()
    assert '"imageGcsUri": "gs://mine/set/a/my%20picture.jpg"' in text
    back = open_dataset(tmp_path / "out" / "index.jsonl", {"gs://mine/set": tmp_path / "out"})
    assert [(example.label, example.read_bytes()) for example in back.examples] == [
        ("a", make_picture(1)), ("b", make_picture(2)),
    ]  # fmt: skip
