"""Near duplicates, and splits that keep them on one side."""

import dataclasses
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from appliance.imaging.files import encode_jpeg
from appliance.workshop.datasets.duplicates import scan_pictures, group_near_duplicates, group_equal_files
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.splits import assign_splits
from support.datasets import picture, pixels, split_tree, tree, write_folder


def copies(seed: int) -> dict[str, bytes]:
    """One picture as people copy it: smaller and worse, brighter, mirrored, cut a little."""
    whole = pixels(seed, 320, 240)
    return {
        "original.jpg": encode_jpeg(whole),
        "smaller.jpg": encode_jpeg(np.asarray(Image.fromarray(whole).resize((160, 120))), 40),
        "brighter.jpg": encode_jpeg(np.clip(whole * 1.2 + 10, 0, 255).astype(np.uint8)),
        "mirrored.jpg": encode_jpeg(whole[:, ::-1]),
        "cut.jpg": encode_jpeg(whole[2:-2, 3:-3]),
    }


@pytest.fixture
def mixed(tmp_path):
    """150 pictures with two labels: 100 that are there once, and ten that are there five times."""
    files = tree({"a": 50, "b": 50})
    for seed in range(5):
        files |= {f"a/{seed}-{name}": content for name, content in copies(500 + seed).items()}
        files |= {f"b/{seed}-{name}": content for name, content in copies(600 + seed).items()}
    return open_dataset(write_folder(tmp_path / "set", files))


def by_name(dataset):
    return {example.name: example.split for example in dataset.examples}


def test_copies_are_found_and_nothing_else(mixed):
    groups = group_near_duplicates(scan_pictures(mixed.examples))
    members: dict[int, set[str]] = {}
    for example, group in zip(mixed.examples, groups, strict=True):
        members.setdefault(group, set()).add(example.name)
    assert sorted(len(names) for names in members.values()) == [1] * 100 + [5] * 10
    assert all(len({name.split("-")[0] for name in names}) == 1 for names in members.values())


def test_same_bytes_are_told_from_likeness(tmp_path):
    files = {"a/1.jpg": picture(1), "a/2.jpg": picture(1), "b/3.jpg": picture(1, quality=40), "b/4.jpg": picture(2)}
    examples = open_dataset(write_folder(tmp_path / "set", files)).examples
    looks = scan_pictures(examples)
    assert group_equal_files(looks) == [[0, 1]]
    assert group_near_duplicates(looks).tolist() == [0, 0, 0, 1]


def test_plain_pictures_of_different_colours_are_different(tmp_path):
    colours = ["red", "blue", "lime", "white", "black"]
    files = {}
    for name in colours:
        out = io.BytesIO()
        Image.new("RGB", (64, 64), name).save(out, "PNG")
        files[f"a/{name}.png"] = out.getvalue()
    looks = scan_pictures(open_dataset(write_folder(tmp_path / "set", files)).examples)
    assert len(set(group_near_duplicates(looks).tolist())) == len(colours)


def test_thousands_of_equal_pictures_are_one_group(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", {"a/1.jpg": picture(1), "a/2.jpg": picture(2)}))
    looks = scan_pictures(dataset.examples) * 5000
    assert len(set(group_near_duplicates(looks).tolist())) == 2


def test_each_label_has_its_share_and_copies_lie_on_one_side(mixed):
    dealt = assign_splits(mixed)
    for label in ("a", "b"):
        assert Counter(e.split for e in dealt.examples if e.label == label) == {
            "train": pytest.approx(60, abs=2), "validation": pytest.approx(7.5, abs=2.5), "test": pytest.approx(7.5, abs=2.5)
        }  # fmt: skip
    for label in ("a", "b"):
        for seed in range(5):
            assert len({split for name, split in by_name(dealt).items() if name.startswith(f"{label}/{seed}-")}) == 1


def test_the_smallest_label_has_pictures_in_every_split(tmp_path):
    dealt = assign_splits(open_dataset(write_folder(tmp_path / "set", tree({"a": 10, "b": 10}))))
    assert Counter((e.label, e.split) for e in dealt.examples) == {
        (label, split): count for label in "ab" for split, count in (("train", 8), ("validation", 1), ("test", 1))
    }


def test_the_same_seed_deals_the_same_way_in_any_order_and_another_does_not(mixed):
    first = assign_splits(mixed, seed=3)
    backwards = assign_splits(dataclasses.replace(mixed, examples=tuple(reversed(mixed.examples))), seed=3)
    assert by_name(first) == by_name(backwards)
    assert by_name(first) != by_name(assign_splits(mixed, seed=4))
    assert [example.name for example in first.examples] == [example.name for example in mixed.examples]


def test_shares_may_be_others(mixed):
    assert Counter(e.split for e in assign_splits(mixed, shares=(0.5, 0.5, 0.0)).examples) == {
        "train": 76,
        "validation": 74,
    }


def test_splits_that_were_given_are_kept_and_copies_follow_them(mixed):
    given = {"a/0-original.jpg": "test", "a/1-cut.jpg": "validation", "b/000.jpg": "test", "b/0-cut.jpg": "test"}
    given["b/0-original.jpg"] = "train"
    some = dataclasses.replace(
        mixed, examples=tuple(dataclasses.replace(e, split=given.get(e.name)) for e in mixed.examples)
    )
    dealt = by_name(assign_splits(some))
    assert {name: dealt[name] for name in given} == given
    assert {split for name, split in dealt.items() if name.startswith("a/0-")} == {"test"}
    assert {split for name, split in dealt.items() if name.startswith("a/1-")} == {"validation"}
    assert dealt["b/0-mirrored.jpg"] == "train"  # given on both sides: what is left goes where it spoils no figures


def test_where_every_picture_has_a_split_nothing_is_read(tmp_path):
    folder = write_folder(tmp_path / "set", split_tree({"a": 2}, "train", "test"))
    dataset = open_dataset(folder)
    for path in folder.rglob("*.jpg"):
        path.unlink()
    assert assign_splits(dataset) is dataset


def test_a_damaged_picture_is_dealt_out_like_any_other(tmp_path):
    files = {**tree({"a": 9}), "a/cut.jpg": picture(77)[:400]}
    dataset = open_dataset(write_folder(tmp_path / "set", files))
    assert {example.split for example in assign_splits(dataset).examples} == {"train", "validation", "test"}
    (fault,) = [seen.fault for seen in scan_pictures(dataset.examples) if seen.fault]
    assert fault.startswith("a/cut.jpg cannot be read as a picture")
