"""Add the pictures of a dataset to the folder of a device."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from appliance.errors import DatasetError
from appliance.imaging.files import read_picture_size
from appliance.workshop.datasets.filing import file_pictures
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_files, make_picture, write_folder

NOBODY = 65534


def file(tmp_path, files, **options):
    return file_pictures(open_dataset(write_folder(tmp_path / "in", files)), tmp_path / "out", **options)


def test_pictures_are_filed_by_label_once(tmp_path):
    files = make_files({"cup": 3, "mug": 2}) | {"loose.jpg": make_picture(99)}
    result = file(tmp_path, files)
    assert len(result.added) == 6 and not result.left_out
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.jpg")} == {"cup", "mug", "out"}
    again = file_pictures(open_dataset(tmp_path / "in"), tmp_path / "out")
    assert (again.added, again.known) == ((), 6)


def test_unlabeled_picture_takes_the_label_of_an_import(tmp_path):
    file(tmp_path, {"loose.jpg": make_picture(1)})
    result = file_pictures(
        open_dataset(write_folder(tmp_path / "labeled", {"cup/x.jpg": make_picture(1)})), tmp_path / "out"
    )
    ((old, new),) = result.labeled
    assert (new, result.added, result.known) == (f"cup/{old}", (), 0)
    assert [str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg")] == [new]


def test_names_keep_the_recording_and_own_names_stay(tmp_path):
    own = "20261129-120000-000_rec-1a2b3c4d.jpg"
    result = file(tmp_path, {f"cup/{own}": make_picture(1), "cup/IMG_rec-00ff00ff.jpg": make_picture(2)})
    assert f"cup/{own}" in result.added and any(name.endswith("_rec-00ff00ff.jpg") for name in result.added)


def test_pictures_become_small_upright_jpegs(tmp_path):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 2600, 3), np.uint8)).save(out, "PNG")
    (name,) = file(tmp_path, {"cup/large.png": out.getvalue()}).added
    assert read_picture_size(tmp_path / "out" / name) == (1280, 443)


def test_labels_get_valid_names(tmp_path):
    file(tmp_path, {"hot dog/a.jpg": make_picture(1), "Müsli/b.jpg": make_picture(2)})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hot_dog", "Musli"}


def test_labels_with_the_same_valid_name_stay_apart(tmp_path):
    files = make_files({"C++": 1, "C#": 1, "C": 1})
    file_pictures(open_dataset(write_folder(tmp_path / "in", files)), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["C", "C_2", "C_3"]


def test_limit_leaves_the_rest_out_and_says_so(tmp_path):
    size = len(make_picture(0))
    result = file(tmp_path, make_files({"cup": 10}), max_bytes=int(3.5 * size))
    assert 1 <= len(result.added) <= 5 and "collect.max_bytes" in result.left_out[-1]
    with pytest.raises(DatasetError, match="no picture was added"):
        file_pictures(open_dataset(tmp_path / "in"), tmp_path / "other", max_bytes=10)


def test_link_in_place_of_a_label_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cup").symlink_to(tmp_path / "outside")
    with pytest.raises(DatasetError, match="symbolic link"):
        file(tmp_path, {"cup/a.jpg": make_picture(1)})
    assert not any((tmp_path / "outside").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write where another account's link leads")
def test_link_of_another_account_leads_root_nowhere(open_folder, tmp_path):
    """The account of the service may replace its dataset, or a folder above it, by a link."""
    victim, state = open_folder / "victim", open_folder / "state"
    victim.mkdir(mode=0o700)
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    pictures = open_dataset(write_folder(tmp_path / "in", make_files({"cup": 2})))
    for number, into in enumerate(("dataset", "above/dataset", "missing/dataset")):
        link = state / into.partition("/")[0]
        if into != "missing/dataset":
            link.symlink_to(victim)
            os.lchown(link, NOBODY, NOBODY)
            with pytest.raises(DatasetError, match="Permission denied"):
                file_pictures(pictures, state / into)
            assert list(victim.iterdir()) == [], number
        else:
            file_pictures(pictures, state / into)
            assert {path.stat().st_uid for path in link.rglob("*")} == {NOBODY}, "the service must be able to change it"
