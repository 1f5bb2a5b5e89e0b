"""Open datasets: folders, zips and CSV indexes, and what training requires of them."""

from collections import Counter

import pytest

from appliance.errors import DatasetError, UsageError
from appliance.workshop.datasets.dataset import DevicePrediction
from appliance.workshop.datasets.obstacles import require_trainable
from appliance.workshop.datasets.open import open_dataset, parse_gs_folders
from support.datasets import list_messages, make_files, make_picture, make_split_files, write_folder, write_zip

both = pytest.mark.parametrize("kind", ["folder", "zip"])


def write(kind, tmp_path, files):
    return write_folder(tmp_path / "set", files) if kind == "folder" else write_zip(tmp_path / "set.zip", files)


@both
def test_folders_are_labels(kind, tmp_path):
    files = make_files({"roses": 2, "tulips": 3})
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("roses", "tulips")
    assert [(example.name, example.label, example.split) for example in dataset.examples] == [
        ("roses/000.jpg", "roses", None), ("roses/001.jpg", "roses", None),
        ("tulips/000.jpg", "tulips", None), ("tulips/001.jpg", "tulips", None), ("tulips/002.jpg", "tulips", None),
    ]  # fmt: skip
    assert all(example.read_bytes() == files[example.name] for example in dataset.examples)
    assert not dataset.problems and not dataset.unlabeled


@both
def test_enclosing_folder_is_not_a_label(kind, tmp_path):
    files = {f"my_flowers/{name}": content for name, content in make_files({"roses": 1, "tulips": 1}).items()}
    assert open_dataset(write(kind, tmp_path, files)).labels == ("roses", "tulips")


@both
def test_pictures_next_to_label_folders_are_unlabeled(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**make_files({"roses": 1}), "later.png": make_picture(9, "PNG")}))
    assert [example.name for example in dataset.unlabeled] == ["later.png"]
    assert [example.name for example in dataset.examples] == ["roses/000.jpg"]


@both
def test_split_folders_give_splits(kind, tmp_path):
    files = make_split_files({"a": 1, "b": 1}, "train", "val", "TEST", "unassigned")
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b")
    assert Counter(example.split for example in dataset.examples) == {"train": 2, "validation": 2, "test": 2, None: 2}


@both
@pytest.mark.parametrize("around", ["", "my_set/"])
def test_single_split_folder_in_capitals_is_a_split(kind, around, tmp_path):
    files = {around + name: content for name, content in make_split_files({"a": 1, "b": 1}, "TEST").items()}
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b")
    assert {example.split for example in dataset.examples} == {"test"}


@both
def test_single_other_folder_encloses_or_is_a_label(kind, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, make_split_files({"a": 1, "b": 1}, "test")))
    assert (dataset.labels, {example.split for example in dataset.examples}) == (("a", "b"), {None})
    files = {
        "later.png": make_picture(9, "PNG"),
        "TRAIN/1.png": make_picture(10, "PNG"),
        "TRAIN/more/2.png": make_picture(11, "PNG"),
    }
    (tmp_path / "label").mkdir()
    assert open_dataset(write(kind, tmp_path / "label", files)).labels == ("TRAIN",)


def test_labels_may_be_named_train_and_test(tmp_path):
    dataset = open_dataset(write_folder(tmp_path / "set", make_files({"train": 1, "test": 1})))
    assert dataset.labels == ("test", "train")
    assert {example.split for example in dataset.examples} == {None}


@both
def test_every_format_is_read_and_system_files_are_ignored(kind, tmp_path):
    files = {
        f"a/1.{form.lower()}": make_picture(n, form) for n, form in enumerate(["JPEG", "PNG", "GIF", "BMP", "ICO"])
    }
    litter = {"__MACOSX/a/._1.jpg": b"x", "a/.DS_Store": b"x", "a/Thumbs.db": b"x", ".git/config": b"x"}
    dataset = open_dataset(write(kind, tmp_path, {**files, **litter}))
    assert {example.name for example in dataset.examples} == set(files)
    assert not dataset.problems


@both
def test_invalid_label_names_are_problems_and_block_training(kind, tmp_path):
    long = "x" * 33
    dataset = open_dataset(write(kind, tmp_path, make_files({"t-shirt": 10, "roses": 10, long: 10})))
    assert dataset.labels == ("roses", "t-shirt", long)
    messages = list_messages(dataset, "wrong_name")
    assert len(messages) == 2 and "for example to 't_shirt'" in messages[0]
    with pytest.raises(DatasetError, match="'t-shirt' is not 1 to 32"):
        require_trainable(dataset)


def test_too_few_pictures_or_labels_block_training(tmp_path):
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(9\)"):
        require_trainable(open_dataset(write_folder(tmp_path / "few", make_files({"a": 10, "b": 9}))))
    with pytest.raises(DatasetError, match="only the label a"):
        require_trainable(open_dataset(write_folder(tmp_path / "one", make_files({"a": 10}))))
    with pytest.raises(DatasetError, match="no label"):
        require_trainable(open_dataset(write_folder(tmp_path / "none", {"x.jpg": make_picture(1)})))
    require_trainable(open_dataset(write_folder(tmp_path / "good", make_files({"a": 10, "b": 10}))))


@pytest.mark.parametrize("around", ["", "flowers/", "TRAIN/"])
@both
def test_label_without_usable_picture_is_listed(kind, around, tmp_path):
    phone = {f"b/{number}.jxl": b"\xff\x0a" + bytes(16) for number in range(12)}
    files = {f"{around}{name}": content for name, content in (make_files({"a": 12, "c": 12}) | phone).items()}
    files |= {"beside.webp": make_picture(99, "WEBP"), f"{around}notes/read.txt": b"me"}
    dataset = open_dataset(write(kind, tmp_path, files))
    assert dataset.labels == ("a", "b", "c")
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(0\)"):
        require_trainable(dataset)


def test_index_label_without_usable_picture_is_listed(tmp_path):
    write_folder(tmp_path, make_files({"a": 12, "c": 12}))
    rows = [f"{label}/{number:03d}.jpg,{label}" for label in "abc" for number in range(12)]
    (tmp_path / "index.csv").write_text("\n".join(rows))
    dataset = open_dataset(tmp_path / "index.csv")
    assert dataset.labels == ("a", "b", "c")
    with pytest.raises(DatasetError, match=r"fewer than 10 pictures of b \(0\)"):
        require_trainable(dataset)


@both
def test_names_may_contain_any_space(kind, tmp_path):
    names = ["a/写真\u30001.jpg", "a/Screenshot at 10.00.00\u202fAM.jpg", "a/no\u00a0break.jpg"]
    dataset = open_dataset(write(kind, tmp_path, {name: make_picture(number) for number, name in enumerate(names)}))
    assert [example.name for example in dataset.examples] == sorted(names)
    assert not dataset.problems


@pytest.mark.parametrize("name", ["a\u2028b", "a\x1b[2Jb", "a\u202eb", "a\nb"])
@both
def test_names_that_break_a_terminal_are_refused(kind, name, tmp_path):
    dataset = open_dataset(write(kind, tmp_path, {**make_files({"a": 1}), f"a/{name}.jpg": make_picture(9)}))
    assert len(dataset.examples) == 1
    assert "has a name that cannot be printed" in list_messages(dataset, "refused")[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.zip", None, r"does not exist; .* a folder, a \.zip, or an index \(\.csv"),
        ("list.txt", b"a,b", "is not a dataset"),
        ("text.zip", b"this is no zip", r"text\.zip is not a zip file"),
        ("empty.csv", b"\n", "lists no pictures"),
        ("sheet.csv", b"PK\x03\x04", "is a zip or a spreadsheet; unpack it"),
        ("page.csv", b"\n<!DOCTYPE html>", "is a web page"),
        ("latin.csv", "müll.jpg,a".encode("latin-1"), "not UTF-8"),
        ("null.csv", b"a\x00.jpg,a", "no usable picture|not CSV"),
    ],
)
def test_other_files_are_refused(name, content, says, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=says):
        open_dataset(tmp_path / name)


def test_dataset_without_pictures_is_refused_with_reason(tmp_path):
    with pytest.raises(DatasetError, match=r"no usable picture .*a/page\.jpg is not a picture"):
        open_dataset(write_folder(tmp_path / "set", {"a/page.jpg": b"<html>"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no usable picture"):
        open_dataset(tmp_path / "empty")


@both
def test_prediction_of_collected_frame_is_read(kind, tmp_path):
    guess = (
        b'{"reason": "unsure", "labels": [{"label": "roses", "score": 0.41}], "model": {"name": "m", "version": "1.2"}}'
    )
    files = {
        "x1.jpg": make_picture(1), "x1.json": guess,
        "x2.jpg": make_picture(2), "x2.json": b"somebody else's",
        "x3.jpg": make_picture(3), "alone.json": b"{}",
    }  # fmt: skip
    dataset = open_dataset(write(kind, tmp_path, files))
    assert [example.prediction for example in dataset.unlabeled] == [
        DevicePrediction("roses", 0.41, "m 1.2", "unsure"),
        None,
        None,
    ]
    assert list_messages(dataset, "passed_over") == ["alone.json is not a picture and was skipped"]


def test_gs_option_is_validated(tmp_path):
    assert parse_gs_folders([f"gs://b/={tmp_path}"]) == {"gs://b": tmp_path}
    for option, says in [
        ("b=x", "form"),
        ("gs://b", "form"),
        ("gs://=x", "form"),
        (f"gs://b={tmp_path}/no", "/no does not exist"),
    ]:
        with pytest.raises(UsageError, match=says):
            parse_gs_folders([option])


def test_published_set_opens_unchanged(data):
    dataset = open_dataset(data / "sign_digits" / "sign_digits_train.zip")
    require_trainable(dataset)
    assert len(dataset.examples) == 1333 and len(dataset.labels) == 10 and not dataset.problems
