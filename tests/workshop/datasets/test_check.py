"""`appliance dataset check`: its findings and its exit status."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from appliance.cli import main
from appliance.imaging.files import encode_jpeg
from appliance.workshop.datasets.check import check_dataset
from appliance.workshop.datasets.open import open_dataset
from support.datasets import make_files, make_picture, make_pixels, make_split_files, write_folder, write_zip


def check(path, capsys, *options):
    """(exit status, the report, kind → finding)."""
    status = main(["dataset", "check", str(path), "--json", *options])
    report = json.loads(capsys.readouterr().out)
    return status, report, {finding["kind"]: finding for finding in report["findings"]}


def shrink(seed: int) -> bytes:
    return encode_jpeg(np.asarray(Image.fromarray(make_pixels(seed)).resize((64, 48))), 60)


@pytest.fixture
def good():
    return make_files({"roses": 100, "tulips": 101})


def test_good_dataset_is_ok(good, tmp_path, capsys):
    path = write_zip(tmp_path / "set.zip", good)
    status, report, findings = check(path, capsys)
    assert status == 0 and not findings
    assert report["labels"]["tulips"] == {"pictures": 101, "train": 0, "validation": 0, "test": 0, "unassigned": 101}
    assert report["pictures"] == 201 and report["formats"] == {"JPEG": 201}
    assert (report["errors"], report["warnings"], report["unlabeled"]) == (0, 0, [])
    assert main(["dataset", "check", str(path)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^roses +100$", printed, re.M) and re.search(r"^2 labels +201$", printed, re.M)
    assert printed.endswith("ok: nothing to do\n")


def test_pictures_are_counted_for_each_split(tmp_path, capsys):
    path = write_folder(tmp_path / "set", make_split_files({"a": 50, "b": 60}, "TRAIN", "TEST"))
    _, report, _ = check(path, capsys)
    assert report["labels"]["b"] == {"pictures": 120, "train": 60, "validation": 0, "test": 60, "unassigned": 0}
    main(["dataset", "check", str(path)])
    assert re.search(r"^b +120 +60 +– +60 +–$", capsys.readouterr().out, re.M)


def test_few_pictures_are_a_warning_too_few_for_a_model_an_error(good, tmp_path, capsys):
    status, _, findings = check(write_folder(tmp_path / "a", {**good, **make_files({"daisies": 99}, 500)}), capsys)
    assert status == 0 and findings["few"]["items"] == ["daisies has 99"]
    status, _, findings = check(write_folder(tmp_path / "b", {**good, **make_files({"daisies": 9}, 500)}), capsys)
    assert status == 0 and findings["left_out"]["level"] == "warning"
    assert findings["left_out"]["items"] == ["daisies has 9"]
    files = make_files({"daisies": 9}, 500) | make_files({"roses": 12})
    status, _, findings = check(write_folder(tmp_path / "c", files), capsys)
    assert status == 1 and findings["too_few"]["level"] == "error" and findings["too_few"]["items"] == ["daisies has 9"]
    main(["dataset", "check", str(tmp_path / "c")])
    printed = capsys.readouterr().out
    assert re.search(r"^daisies +9  too few: .*10$", printed, re.M)
    assert printed.endswith("1 error and 1 warning\n")


def test_labels_that_differ_only_in_case_are_a_warning(good, tmp_path, capsys):
    path = write_folder(tmp_path / "set", {**good, **make_files({"Red_Roses": 12, "red_roses": 12}, 500)})
    status, _, findings = check(path, capsys)
    assert status == 0 and findings["similar_labels"]["items"] == [["Red_Roses", "red_roses"]]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("roses/cut.jpg", make_picture(900)[:500], "unreadable"),
        ("roses/page.jpg", b"<html>", "unreadable"),
        ("roses/huge.bmp", b"BM" + bytes(30_000_000), "too_large"),
        ("roses/really.jpg", make_picture(900, "PNG"), "wrong_format"),
        ("red-roses/1.jpg", make_picture(900), "wrong_name"),
    ],
)
def test_unusable_file_or_label_is_found_with_its_name(name, content, kind, good, tmp_path, capsys):
    """Training leaves a file out, so it is a warning; it refuses a label, so that is an error."""
    status, report, findings = check(write_folder(tmp_path / "set", {**good, name: content}), capsys)
    is_label = kind == "wrong_name"
    assert (status, report["trainable"]) == (1 if is_label else 0, not is_label)
    assert findings[kind]["level"] == ("error" if is_label else "warning") and len(findings[kind]["items"]) == 1
    assert name.split("/")[0 if kind == "wrong_name" else 1] in findings[kind]["items"][0]


def test_picture_that_would_fill_the_memory_is_unreadable(good, tmp_path, capsys):
    out = io.BytesIO()
    Image.new("1", (12_000, 11_000)).save(out, "PNG")
    status, _, findings = check(write_folder(tmp_path / "set", {**good, "roses/bomb.png": out.getvalue()}), capsys)
    assert status == 0 and "more than the limit of 128 million" in findings["unreadable"]["items"][0]


def test_copies_are_warnings_and_two_labels_are_an_error(good, tmp_path, capsys):
    files = {
        **good,
        "roses/again.jpg": good["roses/000.jpg"],
        "roses/small.jpg": shrink(1),
        "tulips/stray.jpg": good["roses/002.jpg"],
        "tulips/small_stray.jpg": shrink(3),
    }
    status, _, findings = check(write_folder(tmp_path / "set", files), capsys)
    assert status == 1
    assert findings["duplicates"]["items"] == [
        ["roses/000.jpg", "roses/again.jpg"],
        ["roses/002.jpg", "tulips/stray.jpg"],
    ]
    assert findings["near_duplicates"]["items"] == [
        ["roses/001.jpg", "roses/small.jpg"], ["roses/003.jpg", "tulips/small_stray.jpg"]
    ]  # fmt: skip
    assert findings["two_labels"]["items"] == [["roses/002.jpg", "tulips/stray.jpg"]]
    assert findings["near_two_labels"]["items"] == [["roses/003.jpg", "tulips/small_stray.jpg"]]
    levels = {kind: finding["level"] for kind, finding in findings.items()}
    assert levels == {
        "two_labels": "error",
        "near_two_labels": "warning",
        "duplicates": "warning",
        "near_duplicates": "warning",
    }


def test_csv_that_gives_one_file_two_labels_is_an_error(tmp_path, capsys):
    folder = write_folder(tmp_path / "set", {f"{n}.jpg": make_picture(n) for n in range(20)})
    lines = [f"{n}.jpg,{'ab'[n % 2]}" for n in range(20)] + ["0.jpg,b"]
    (folder / "index.csv").write_text("\n".join(lines))
    status, _, findings = check(folder / "index.csv", capsys)
    assert status == 1 and findings["two_labels"]["items"] == [["0.jpg", "0.jpg"]]


def test_copies_in_two_splits_are_a_warning(tmp_path, capsys):
    files = make_split_files({"a": 50, "b": 50}, "TRAIN", "TEST")
    files |= {
        "TEST/a/leak.jpg": shrink(0),
        "TEST/b/same.jpg": files["TRAIN/b/000.jpg"],
        "TRAIN/a/harmless.jpg": shrink(1),
    }
    _, _, findings = check(write_folder(tmp_path / "set", files), capsys)
    assert findings["across_splits"]["items"] == [
        ["TEST/a/leak.jpg", "TRAIN/a/000.jpg"],
        ["TEST/b/same.jpg", "TRAIN/b/000.jpg"],
    ]


def test_unlabeled_pictures_have_the_devices_prediction(good, tmp_path, capsys):
    guess = {
        "reason": "unsure",
        "labels": [{"label": "roses", "score": 0.41}],
        "model": {"name": "m", "version": "1.2"},
    }
    files = {
        **good,
        "seen.jpg": make_picture(900),
        "seen.json": json.dumps(guess).encode(),
        "other.jpg": make_picture(901),
    }
    path = write_folder(tmp_path / "set", files)
    status, report, findings = check(path, capsys)
    assert status == 0 and findings["unlabeled"]["level"] == "note"
    assert report["unlabeled"] == [
        {"picture": "other.jpg", "guess": None},
        {"picture": "seen.jpg", "guess": {"label": "roses", "score": 0.41, "model": "m 1.2", "reason": "unsure"}},
    ]
    main(["dataset", "check", str(path)])
    assert "  seen.jpg  roses 0.41  (unsure, m 1.2)\n" in capsys.readouterr().out


def test_refused_entries_and_invalid_rows_are_warnings(good, tmp_path, capsys):
    folder = write_folder(tmp_path / "set", good)
    (folder / "roses" / "link.jpg").symlink_to("/etc/passwd")
    status, _, findings = check(folder, capsys)
    assert status == 0 and findings["refused"]["says"] == "1 entry is refused and will be left out"
    rows = [f"{name},{name.split('/')[0]}" for name in good]
    (folder / "index.csv").write_text("\n".join([*rows, "roses/001.jpg,roses,3,4"]))
    status, _, findings = check(folder / "index.csv", capsys)
    assert status == 0 and findings["wrong_row"]["says"] == "1 row of the index is invalid and will be left out"
    (folder / "index.csv").write_text("\n".join([*rows, *(f"TRIAN,{row}" for row in rows)]))
    status, _, findings = check(folder / "index.csv", capsys)
    assert status == 1 and "rows are invalid" in findings["misread"]["items"][0]


def test_published_flowers_have_a_copy_in_two_splits(data, tmp_path, capsys):
    """Its makers compared grey thumbnails; one photograph in train is there in val with other colors."""

    for part in ("train", "val"):
        with zipfile.ZipFile(data / "flowers" / f"flowers_{part}.zip") as archive:
            names = [name for name in archive.namelist() if name.startswith("dandelion/868")]
            archive.extractall(tmp_path / "set" / part, names)
    _, _, findings = check(tmp_path / "set", capsys)
    (pair,) = findings["across_splits"]["items"]
    assert {name.rpartition("/")[2] for name in pair} == {"8689302980_9bd2f7b9fe_n.jpg", "8689302100_be76a16ccc_n.jpg"}


def test_recordings_that_spoil_the_figures_are_found(tmp_path):
    files = {f"cup/20261130-1015{second:02d}-000_rec-0000000a.jpg": make_picture(second) for second in range(12)}
    files |= {f"pen/{number}.jpg": make_picture(100 + number) for number in range(12)}
    report = check_dataset(open_dataset(write_folder(tmp_path / "set", files)))
    (sole,) = [finding for finding in report.findings if finding.kind == "sole_recording"]
    assert sole.items == ("cup",) and "record it again" in sole.message
    assert not [finding for finding in report.findings if finding.kind == "divided_recording"]


def test_recording_in_two_splits_is_found(tmp_path):
    files = {}
    for number in range(24):
        split = "TRAIN" if number % 2 else "TEST"
        files[f"{split}/cup/20261130-101500-{number:03d}_rec-0000000{number // 12}.jpg"] = make_picture(number)
        files[f"{split}/pen/{number}.jpg"] = make_picture(100 + number)
    report = check_dataset(open_dataset(write_folder(tmp_path / "set", files)))
    (divided,) = [finding for finding in report.findings if finding.kind == "divided_recording"]
    assert len(divided.items) == 2 and {len(names) for names in divided.items} == {12}
