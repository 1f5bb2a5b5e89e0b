"""CSV indexes: AutoML's rows, gs:// URLs with a local copy, and paths that are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import DatasetError
from appliance.workshop.datasets.open import open_dataset
from support.datasets import list_messages, make_picture, write_folder


@pytest.fixture
def folder(tmp_path):
    names = ["001.jpg", "002.jpg", "003.jpg", "my picture.jpg", "100%.jpg", "a,b.jpg", "sub/004.jpg"]
    return write_folder(tmp_path / "set", {name: make_picture(number) for number, name in enumerate(names)})


def list_rows(dataset):
    return [(e.name, e.label, e.split) for e in (*dataset.examples, *dataset.unlabeled)]


def open_index(folder, text, **options):
    (folder / "index.csv").write_text(text)
    return open_dataset(folder / "index.csv", **options)


@pytest.mark.parametrize("empty", ["", ",", ",,", ",,,"])
def test_unnamed_columns_are_ignored(folder, empty):
    dataset = open_index(folder, f"\ufefflabel,path{empty}\r\naccordion,001.jpg{empty}\r\n")
    assert list_rows(dataset) == [("001.jpg", "accordion", None)] and not dataset.problems


def test_path_may_contain_any_space(tmp_path):
    write_folder(tmp_path, {"写真\u30001.jpg": make_picture(1)})
    (tmp_path / "index.csv").write_text("写真\u30001.jpg,a\n", encoding="utf-8")
    dataset = open_dataset(tmp_path / "index.csv")
    assert [example.name for example in dataset.examples] == ["写真\u30001.jpg"]


def test_row_has_a_path_and_an_optional_label(folder):
    dataset = open_index(folder, "001.jpg,accordion\n\n002.jpg,ukulele\r\n003.jpg\nsub/004.jpg,\n")
    assert dataset.labels == ("accordion", "ukulele")
    assert list_rows(dataset) == [
        ("001.jpg", "accordion", None),
        ("002.jpg", "ukulele", None),
        ("003.jpg", None, None),
        ("sub/004.jpg", None, None),
    ]
    assert dataset.unlabeled[1].read_bytes() == make_picture(6)


def test_first_column_may_hold_the_split(folder):
    text = (
        "TRAIN,001.jpg,a\nValidation,002.jpg,a\nTEST,003.jpg,b\n"
        "UNASSIGNED,sub/004.jpg,b\n,100%.jpg,b\ntrain,my picture.jpg\n"
    )
    dataset = open_index(folder, text)
    assert list_rows(dataset) == [
        ("001.jpg", "a", "train"), ("002.jpg", "a", "validation"), ("003.jpg", "b", "test"), ("sub/004.jpg", "b", None),
        ("100%.jpg", "b", None), ("my picture.jpg", None, "train"),
    ]  # fmt: skip


def test_quotes_spaces_and_byte_order_mark_are_read(folder):
    dataset = open_index(folder, '\ufeff"a,b.jpg", roses\nmy picture.jpg ,tulips\n')
    assert list_rows(dataset) == [("a,b.jpg", "roses", None), ("my picture.jpg", "tulips", None)]


def test_header_names_the_columns_in_any_order(folder):
    dataset = open_index(folder, "width,label,path,set\n96,roses,001.jpg,val\n96,,002.jpg,\n96\n")
    assert list_rows(dataset) == [("001.jpg", "roses", "validation"), ("002.jpg", None, None)]
    assert list_messages(dataset, "wrong_row") == ["row 4 of index.csv contains no picture"]


def test_gs_url_is_looked_up_in_the_bucket_copy(folder):
    text = (
        "gs://b/001.jpg,a\ngs://b/my%20picture.jpg,a\ngs://b/100%.jpg,a\ngs://b/100%25.jpg,b\ngs://b/sub%2F004.jpg,b\n"
    )
    dataset = open_index(folder, text, gs_folders={"gs://b": folder})
    assert [example.read_bytes() for example in dataset.examples] == [make_picture(n) for n in (0, 3, 4, 4, 6)]
    assert dataset.examples[1].name == "gs://b/my%20picture.jpg"


def test_longest_bucket_prefix_wins(folder, tmp_path):
    gs_folders = {"gs://b": tmp_path / "nowhere", "gs://b/deep": folder, "gs://b/deepest": tmp_path}
    assert open_index(folder, "gs://b/deep/001.jpg,a\n", gs_folders=gs_folders).examples[
        0
    ].read_bytes() == make_picture(0)


def test_bucket_without_copy_is_an_error_that_names_the_option(folder):
    with pytest.raises(DatasetError, match=r"lists 2 pictures in gs://b, gs://c, .*--gs gs://b=FOLDER"):
        open_index(folder, "gs://b/1.jpg,a\n001.jpg,a\ngs://c/1.jpg,a\n")


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
def test_path_that_leads_outside_is_refused(name, folder, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(make_picture(8))
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    dataset = open_index(folder, f"001.jpg,a\n{name},a\n", gs_folders={"gs://b": folder})
    assert len(dataset.examples) == 1
    assert "points outside" in list_messages(dataset, "refused")[0]


@pytest.mark.parametrize(
    "name", ["loop/1.jpg", "gs://b/loop/1.jpg", f"gs://b/{'x' * 300}.jpg", f"gs://b/{'%20' * 300}.jpg"]
)
def test_impossible_path_is_refused_and_the_others_are_read(name, folder):
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    dataset = open_index(folder, f"{name},a\n001.jpg,a\n", gs_folders={"gs://b": folder})
    assert list_rows(dataset) == [("001.jpg", "a", None)]
    (problem,) = dataset.problems
    assert problem.kind == "refused" and problem.message.startswith(f"row 1 of index.csv: {name} cannot be looked up: ")


@pytest.mark.parametrize("name", ["bäum.jpg", "/tmp/bäum.jpg", "gs://b/b%C3%A4um.jpg"])
def test_path_that_the_locale_cannot_encode_is_refused(name, folder):
    (folder / "index.csv").write_text(f"001.jpg,a\n{name},a\n", encoding="utf-8")
    code = (
        "import pathlib, sys; from appliance.workshop.datasets.index import read_index; "
        "found = read_index(pathlib.Path(sys.argv[1]), {'gs://b': pathlib.Path('.')}); "
        "print([row.name for row in found.rows], [problem.kind.value for problem in found.problems])"
    )
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "index.csv")],
        env=os.environ | ascii_locale, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("['001.jpg'] ['refused']\n", "")


def test_absolute_path_is_read(folder, tmp_path):
    (tmp_path / "else.jpg").write_bytes(make_picture(8))
    assert open_index(folder, f"{tmp_path}/else.jpg,a\n").examples[0].read_bytes() == make_picture(8)


def test_invalid_rows_are_problems_with_their_number(folder):
    text = "001.jpg,a\nTRAIN,,a\nTRAIN,002.jpg,a,640\nhttps://x/1.jpg,a\nmissing.jpg,a\n\x1b[2J.jpg,a\n"
    dataset = open_index(folder, text)
    assert len(dataset.examples) == 1
    assert list_messages(dataset, "wrong_row") == [
        "row 2 of index.csv contains no picture",
        (
            "row 3 of index.csv gives 002.jpg numbers among its labels (640); "
            "name the columns in a first row, such as path,labels"
        ),
        r"row 6 of index.csv contains a picture name with characters that cannot be printed: '\x1b[2J.jpg'",
    ]
    assert "https://x/1.jpg is on another machine" in list_messages(dataset, "refused")[0]
    assert "missing.jpg cannot be read: No such file" in list_messages(dataset, "unreadable")[0]


def test_unknown_split_in_a_named_column_is_a_problem(folder):
    dataset = open_index(folder, "set,path,label\nTRIAN,001.jpg,a\nTRAIN,002.jpg,a\n")
    assert list_messages(dataset, "wrong_row") == [
        "row 2 of index.csv has 'TRIAN' instead of TRAIN, VALIDATION, TEST, or UNASSIGNED"
    ]


def test_repeated_row_counts_once_and_a_second_label_is_kept(folder):
    dataset = open_index(folder, "001.jpg,a\n001.jpg,a\nsub/../001.jpg,b\n")
    assert list_rows(dataset) == [("001.jpg", "a", None), ("sub/../001.jpg", "b", None)]
    assert list_messages(dataset, "passed_over") == ["row 2 of index.csv repeats row 1 and was skipped"]


def test_devices_and_pipes_are_not_read(folder):
    os.mkfifo(folder / "pipe.jpg")
    dataset = open_index(folder, "001.jpg,a\npipe.jpg,a\n/dev/zero,a\nsub,a\n")
    assert len(dataset.examples) == 1
    assert [message.split(" is ")[1] for message in list_messages(dataset, "unreadable")] == ["not a file"] * 3


def test_row_must_name_a_picture(folder):
    (folder / "notes.txt").write_text("hello")
    assert list_messages(open_index(folder, "001.jpg,a\nnotes.txt,a\n"), "unreadable") == ["notes.txt is not a picture"]


def test_published_index_is_read(data):
    """Its pictures lie in two zips, so they are not found; its columns are understood all the same."""
    with pytest.raises(DatasetError, match=r"no usable picture .*digit_0/IMG_1158\.jpg cannot be read: No such file"):
        open_dataset(data / "sign_digits" / "sign_digits_trainval_index.csv")


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\npath;label\n001.jpg;a\n002.jpg;b\n",
        "path|label\n001.jpg|a\n002.jpg|b\n",
        "path,label\n001.jpg,a\npath,label\n002.jpg,b\n",
        "/content/drive/set/001.jpg,a\n/content/drive/set/002.jpg,b\n",
        "C:\\Users\\me\\set\\001.jpg,a\nC:\\Users\\me\\set\\002.jpg,b\n",
        "image,choice\n/data/upload/1/1a2b3c4d-001.jpg,a\n/data/upload/1/1a2b3c4d-002.jpg,b\n",
        "Kennung,Sorte\n001,a\n002,b\n",
    ],
    ids=["excel", "pipe", "joined", "other computer", "windows", "label studio", "header"],
)
def test_rows_of_other_programs_are_understood(text, folder):
    dataset = open_index(folder, text)
    assert [(each.label, Path(each.key).name) for each in dataset.examples] == [("a", "001.jpg"), ("b", "002.jpg")]
    assert {problem.kind for problem in dataset.problems} <= {"unused"}


def test_absolute_paths_are_in_one_folder(folder):
    text = "/other/set/001.jpg,a\n/other/copy/002.jpg,a\n/other/set/sub/004.jpg,b\n"
    dataset = open_index(folder, text)
    assert [Path(example.key).name for example in dataset.examples] == ["001.jpg", "004.jpg"]
    assert "/other/copy/002.jpg cannot be read" in list_messages(dataset, "unreadable")[0]


def test_quote_that_does_not_end_is_a_problem_of_its_row(folder):
    dataset = open_index(folder, 'path,label\n001.jpg,a\n002.jpg,"b\n003.jpg,a\n')
    assert dataset.labels == ("a",)
    assert "a label with line breaks" in list_messages(dataset, "wrong_row")[0]
