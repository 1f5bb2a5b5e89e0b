"""Equal and near duplicate pictures."""

import io

from PIL import Image

from appliance.workshop.datasets.duplicates import group_equal_files, group_near_duplicates, scan_pictures
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_picture, write_folder


def test_copies_are_found_and_nothing_else(mixed):
    groups = group_near_duplicates(scan_pictures(mixed.examples))
    members: dict[int, set[str]] = {}
    for example, group in zip(mixed.examples, groups, strict=True):
        members.setdefault(group, set()).add(example.name)
    assert sorted(len(names) for names in members.values()) == [1] * 100 + [5] * 10
    assert all(len({name.split("-")[0] for name in names}) == 1 for names in members.values())


def test_equal_files_and_near_duplicates_are_separate(tmp_path):
    files = {
        "a/1.jpg": make_picture(1),
        "a/2.jpg": make_picture(1),
        "b/3.jpg": make_picture(1, quality=40),
        "b/4.jpg": make_picture(2),
    }
    examples = open_dataset(write_folder(tmp_path / "set", files)).examples
    scans = scan_pictures(examples)
    assert group_equal_files(scans) == [[0, 1]]
    assert group_near_duplicates(scans).tolist() == [0, 0, 0, 1]


def test_plain_pictures_of_different_colors_are_different(tmp_path):
    colors = ["red", "blue", "lime", "white", "black"]
    files = {}
    for name in colors:
        out = io.BytesIO()
        Image.new("RGB", (64, 64), name).save(out, "PNG")
        files[f"a/{name}.png"] = out.getvalue()
    scans = scan_pictures(open_dataset(write_folder(tmp_path / "set", files)).examples)
    assert len(set(group_near_duplicates(scans).tolist())) == len(colors)


def test_thousands_of_equal_pictures_are_one_group(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", {"a/1.jpg": make_picture(1), "a/2.jpg": make_picture(2)}))
    scans = scan_pictures(dataset.examples) * 5000
    assert len(set(group_near_duplicates(scans).tolist())) == 2
