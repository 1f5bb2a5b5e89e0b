"""The label file next to a model is found under the names in use, by its number of lines."""

import pytest

from appliance.bundle.bundle import read_bundle
from appliance.bundle.label_search import describe_misfit, fits
from support.tiny_bundles import assert_rejected
from support.tiny_models import COLORS, tiny_model

TEXT = "red\ngreen\nblue\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "colors.tflite").write_bytes(tiny_model())
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["class_names.txt", "retrained_labels.txt", "coco.names", "colors-v2.txt", "Labels.TXT", "classes.csv", "dict.txt"],
)
def test_usual_names_are_found(folder, name):
    if name == "coco.names":  # no word in it suggests labels, so it is used as the only file, with a note
        (folder / name).write_text(TEXT)
        assert read_bundle(folder).labels == COLORS and "coco.names" in read_bundle(folder).notes[0]
        return
    (folder / name).write_text(TEXT)
    (folder / "validation.txt").write_text("a.jpg\nb.jpg\nc.jpg\n")
    assert read_bundle(folder).labels == COLORS and not read_bundle(folder).notes


@pytest.mark.parametrize("name", ["LICENSE.txt", "licence.txt", "README.txt", "requirements.txt", ".labels.txt"])
def test_other_texts_are_never_labels(folder, name):
    (folder / name).write_text(TEXT)
    assert_rejected(folder, "labels are missing.*add labels.txt")


def test_file_with_the_right_number_of_lines_is_chosen(folder):
    (folder / "labels.txt").write_text("one\ntwo\n")
    (folder / "class_names.txt").write_text(TEXT)
    assert read_bundle(folder).labels == COLORS


def test_wrong_number_of_lines_is_described(folder):
    (folder / "labels.txt").write_text("background\nred\ngreen\nblue\n")
    assert_rejected(folder, r"labels.txt.* 4 labels .*'background'.* 3 outputs.*background")


def test_two_files_that_fit_are_named(folder):
    (folder / "class_a.txt").write_text(TEXT)
    (folder / "class_b.txt").write_text("x\ny\nz\n")
    assert_rejected(folder, "class_a.txt, class_b.txt.*labelsFile")


def test_two_files_with_the_same_labels_are_no_problem(folder):
    (folder / "class_a.txt").write_text(TEXT)
    (folder / "class_b.txt").write_text(TEXT.replace("\n", "\r\n"))
    assert read_bundle(folder).labels == COLORS


def test_two_other_files_that_fit_are_not_guessed(folder):
    for name in ("a.names", "b.names"):
        (folder / name).write_text(TEXT)
    assert_rejected(folder, "labels are missing")


def test_header_of_a_table_is_no_label(folder):
    (folder / "labels.csv").write_text("index,label\n0,red\n1,green\n2,blue\n")
    assert read_bundle(folder).labels == COLORS


def test_one_output_fits_one_or_two_labels():
    assert fits(["a"], 1) and fits(["a", "b"], 1) and not fits(["a", "b", "c"], 1) and not fits(["a"], 2)


def test_first_label_in_a_message_is_bounded():
    assert len(describe_misfit("it", ["x" * 1000], 3)) < 250
