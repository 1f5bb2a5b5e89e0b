"""CSV indexes: AutoML's rows, gs:// URLs with a local copy, and what is not followed."""

import os

import pytest

from appliance.errors import DatasetError, UsageError
from appliance.workshop.datasets.open import parse_gs_folders, open_dataset
from support.datasets import picture, write_folder


@pytest.fixture
def folder(tmp_path):
    names = ["001.jpg", "002.jpg", "003.jpg", "my picture.jpg", "100%.jpg", "a,b.jpg", "sub/004.jpg"]
    return write_folder(tmp_path / "set", {name: picture(number) for number, name in enumerate(names)})


def rows(dataset):
    return [(e.name, e.label, e.split) for e in (*dataset.examples, *dataset.unlabeled)]


def said(dataset, fault):
    return [problem.message for problem in dataset.problems if problem.kind == fault]


def opened(folder, text, **gs):
    (folder / "index.csv").write_text(text)
    return open_dataset(folder / "index.csv", **gs)


@pytest.mark.parametrize("empty", ["", ",", ",,", ",,,"])
def test_columns_without_a_name_beside_the_named_ones_are_passed_over(folder, empty):
    dataset = opened(folder, f"\ufefflabel,path{empty}\r\naccordion,001.jpg{empty}\r\n")
    assert rows(dataset) == [("001.jpg", "accordion", None)] and not dataset.problems


def test_spaces_of_all_kinds_may_stand_in_a_path(tmp_path):
    write_folder(tmp_path, {"写真\u30001.jpg": picture(1)})
    (tmp_path / "index.csv").write_text("写真\u30001.jpg,a\n", encoding="utf-8")
    dataset = open_dataset(tmp_path / "index.csv")
    assert [example.name for example in dataset.examples] == ["写真\u30001.jpg"]


def test_a_path_and_a_label_or_none(folder):
    dataset = opened(folder, "001.jpg,accordion\n\n002.jpg,ukulele\r\n003.jpg\nsub/004.jpg,\n")
    assert dataset.labels == ("accordion", "ukulele")
    assert rows(dataset) == [
        ("001.jpg", "accordion", None), ("002.jpg", "ukulele", None), ("003.jpg", None, None), ("sub/004.jpg", None, None),
    ]  # fmt: skip
    assert dataset.unlabeled[1].read_bytes() == picture(6)


def test_the_column_of_sets_may_stand_in_front(folder):
    text = "TRAIN,001.jpg,a\nValidation,002.jpg,a\nTEST,003.jpg,b\nUNASSIGNED,sub/004.jpg,b\n,100%.jpg,b\ntrain,my picture.jpg\n"
    dataset = opened(folder, text)
    assert rows(dataset) == [
        ("001.jpg", "a", "train"), ("002.jpg", "a", "validation"), ("003.jpg", "b", "test"), ("sub/004.jpg", "b", None),
        ("100%.jpg", "b", None), ("my picture.jpg", None, "train"),
    ]  # fmt: skip


def test_quotes_spaces_and_a_byte_order_mark_are_read(folder):
    dataset = opened(folder, '\ufeff"a,b.jpg", roses\nmy picture.jpg ,tulips\n')
    assert rows(dataset) == [("a,b.jpg", "roses", None), ("my picture.jpg", "tulips", None)]


def test_a_first_row_may_name_the_columns_in_any_order(folder):
    dataset = opened(folder, "width,label,path,set\n96,roses,001.jpg,val\n96,,002.jpg,\n96\n")
    assert rows(dataset) == [("001.jpg", "roses", "validation"), ("002.jpg", None, None)]
    assert said(dataset, "wrong_row") == ["Row 4 of index.csv names no picture."]


def test_a_gs_url_is_looked_up_in_the_copy_of_its_bucket(folder):
    text = (
        "gs://b/001.jpg,a\ngs://b/my%20picture.jpg,a\ngs://b/100%.jpg,a\ngs://b/100%25.jpg,b\ngs://b/sub%2F004.jpg,b\n"
    )
    dataset = opened(folder, text, gs={"gs://b": folder})
    assert [example.read_bytes() for example in dataset.examples] == [picture(n) for n in (0, 3, 4, 4, 6)]
    assert dataset.examples[1].name == "gs://b/my%20picture.jpg"


def test_the_longest_prefix_of_a_bucket_wins(folder, tmp_path):
    gs = {"gs://b": tmp_path / "nowhere", "gs://b/deep": folder, "gs://b/deepest": tmp_path}
    assert opened(folder, "gs://b/deep/001.jpg,a\n", gs=gs).examples[0].read_bytes() == picture(0)


def test_a_bucket_without_a_copy_is_an_error_that_says_how_to_name_it(folder):
    with pytest.raises(
        DatasetError, match=r"names 2 pictures in gs://b, gs://c, which is not here.* --gs gs://b=FOLDER"
    ):
        opened(folder, "gs://b/1.jpg,a\n001.jpg,a\ngs://c/1.jpg,a\n")


def test_the_option_is_checked(tmp_path):
    assert parse_gs_folders([f"gs://b/={tmp_path}"]) == {"gs://b": tmp_path}
    for option, says in [
        ("b=x", "form"),
        ("gs://b", "form"),
        ("gs://=x", "form"),
        (f"gs://b={tmp_path}/no", "no folder"),
    ]:
        with pytest.raises(UsageError, match=says):
            parse_gs_folders([option])


@pytest.mark.parametrize(
    "name",
    [
        "../secret.jpg",
        "sub/../../secret.jpg",
        "gs://b/../secret.jpg",
        "gs://b/%2e%2e/secret.jpg",
        "gs://b//etc/passwd",
        "out.jpg",
    ],
)
def test_a_path_that_leads_out_is_refused(name, folder, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(picture(8))
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    dataset = opened(folder, f"001.jpg,a\n{name},a\n", gs={"gs://b": folder})
    assert len(dataset.examples) == 1
    assert "leads out of" in said(dataset, "refused")[0]


@pytest.mark.parametrize(
    "name", ["loop/1.jpg", "gs://b/loop/1.jpg", f"gs://b/{'x' * 300}.jpg", f"gs://b/{'%20' * 300}.jpg"]
)
def test_a_path_that_no_file_can_have_is_refused_and_the_others_are_read(name, folder):
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    dataset = opened(folder, f"{name},a\n001.jpg,a\n", gs={"gs://b": folder})
    assert rows(dataset) == [("001.jpg", "a", None)]
    (problem,) = dataset.problems
    assert problem.kind == "refused" and problem.message.startswith(f"Row 1 of index.csv: {name} cannot be looked up: ")


def test_an_absolute_path_is_the_writers_own_word(folder, tmp_path):
    (tmp_path / "else.jpg").write_bytes(picture(8))
    assert opened(folder, f"{tmp_path}/else.jpg,a\n").examples[0].read_bytes() == picture(8)


def test_rows_that_are_not_understood_are_said_with_their_number(folder):
    text = "001.jpg,a\nTRAIN,,a\nTRAIN,002.jpg,a,b\nhttps://x/1.jpg,a\nmissing.jpg,a\n\x1b[2J.jpg,a\n"
    dataset = opened(folder, text)
    assert len(dataset.examples) == 1
    assert said(dataset, "wrong_row") == [
        "Row 2 of index.csv names no picture.",
        "Row 3 of index.csv gives 002.jpg 2 labels (a, b): a picture has one.",
        r"Row 6 of index.csv names a picture by what cannot be shown: '\x1b[2J.jpg'.",
    ]
    assert "https://x/1.jpg is on another machine" in said(dataset, "refused")[0]
    assert "missing.jpg cannot be read: No such file" in said(dataset, "unreadable")[0]


def test_a_word_that_is_no_set_is_said_where_the_column_is_named(folder):
    dataset = opened(folder, "set,path,label\nTRIAN,001.jpg,a\nTRAIN,002.jpg,a\n")
    assert said(dataset, "wrong_row") == [
        "Row 2 of index.csv says 'TRIAN' where TRAIN, VALIDATION, TEST or UNASSIGNED stands."
    ]


def test_a_row_that_repeats_another_counts_once_and_another_label_is_kept_for_the_check(folder):
    dataset = opened(folder, "001.jpg,a\n001.jpg,a\nsub/../001.jpg,b\n")
    assert rows(dataset) == [("001.jpg", "a", None), ("sub/../001.jpg", "b", None)]
    assert said(dataset, "passed_over") == ["Row 2 of index.csv repeats row 1 and was passed over."]


def test_devices_and_pipes_are_not_read(folder):
    os.mkfifo(folder / "pipe.jpg")
    dataset = opened(folder, "001.jpg,a\npipe.jpg,a\n/dev/zero,a\nsub,a\n")
    assert len(dataset.examples) == 1
    assert [sentence.split(" is ")[1] for sentence in said(dataset, "unreadable")] == ["not a file."] * 3


def test_what_a_row_names_must_be_a_picture(folder):
    (folder / "notes.txt").write_text("hello")
    assert said(opened(folder, "001.jpg,a\nnotes.txt,a\n"), "unreadable") == ["notes.txt is no picture."]


def test_the_published_index_is_read(data):
    """Its pictures lie in two zips, so they are not found; its columns are understood all the same."""
    with pytest.raises(DatasetError, match="holds no picture .*digit_0/IMG_1158.jpg cannot be read: No such file"):
        open_dataset(data / "sign_digits" / "sign_digits_trainval_index.csv")
