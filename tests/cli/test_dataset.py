"""Test `appliance dataset`: the exit statuses and outputs of its actions."""

import json
import zipfile

import pytest

from appliance.cli import main
from support.datasets import make_files, make_picture, write_folder


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def plain(tmp_path):
    return write_folder(tmp_path / "plain", make_files({"a": 12, "b": 15}))


def test_wrong_usage_has_its_own_exit_status(tmp_path, capsys):
    assert main(["dataset", "check", str(tmp_path / "missing")]) == 1
    assert main(["dataset", "check", str(tmp_path), "--gs", "bucket=x"]) == 2
    assert "gs://bucket=FOLDER" in capsys.readouterr().err


def test_zip_needs_its_suffix_so_that_it_can_be_opened(plain, tmp_path, capsys):
    assert main(["dataset", "pack", str(plain), "--out", str(tmp_path / "set"), "--form", "zip"]) == 2
    assert "ends with .zip, such as set.zip" in capsys.readouterr().err


def test_undecodable_picture_is_left_out_and_named(plain, tmp_path, capsys):
    (plain / "a" / "cut.jpg").write_bytes(make_picture(77)[:400])
    (plain / "a" / "page.jpg").write_bytes(b"<html>")
    assert main(["dataset", "pack", str(plain), "--out", str(tmp_path / "out"), "--form", "folder", "--json"]) == 1
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert set(value) == {"out", "pictures", "left_out"}
    assert value["pictures"] == 27 and len(value["left_out"]) == 2
    assert "left out: a/cut.jpg" in err and "left out: a/page.jpg" in err
    assert not (tmp_path / "out" / "a" / "cut.jpg").exists()


def test_packed_dataset_is_named_with_its_pictures(plain, tmp_path, capsys):
    out = tmp_path / "out.zip"
    assert main(["dataset", "pack", str(plain), "--out", str(out), "--form", "zip"]) == 0
    captured = capsys.readouterr()
    assert str(out) in captured.out
    assert "27" in captured.out
    assert captured.err == ""
    assert zipfile.is_zipfile(out)


def test_seed_makes_other_splits(plain, tmp_path):
    for name, seed in (("one", "1"), ("same", "1"), ("two", "2")):
        words = ["--out", str(tmp_path / name), "--form", "csv", "--split", "make", "--seed", seed]
        assert main(["dataset", "pack", str(plain), *words]) == 0
    indexes = {name: (tmp_path / name / "index.csv").read_bytes() for name in ("one", "same", "two")}
    assert indexes["one"] == indexes["same"] != indexes["two"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sort", "plain"],
        ["check"],
        ["pack", "plain", "--form", "zip"],
        ["pack", "plain", "--out", "out"],
        ["pack", "plain", "--out", "out", "--form", "rar"],
        ["pack", "plain", "--out", "out", "--form", "zip", "--split", "some"],
        ["pack", "plain", "--out", "out", "--form", "zip", "--seed", "x"],
        ["import", "x", "--into", "y", "--max-bytes", "-1"],
    ],
    ids=" ".join,
)
def test_missing_or_unknown_argument_is_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["dataset", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_errors_make_the_check_exit_1_with_a_report(tmp_path, capsys):
    few = write_folder(tmp_path / "few", make_files({"a": 9, "b": 30}))
    assert main(["dataset", "check", str(few), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["errors"] == 1
    assert [finding["level"] for finding in report["findings"]].count("error") == 1
    assert main(["dataset", "check", str(few)]) == 1
    assert "1 error" in capsys.readouterr().out.splitlines()[-1]


def test_gs_folder_makes_addresses_readable(plain, tmp_path, capsys):
    names = sorted(path.relative_to(plain).as_posix() for path in plain.rglob("*.jpg"))
    (tmp_path / "index.csv").write_text("".join(f"gs://mine/{name},{name[0]}\n" for name in names))
    words = ["dataset", "check", str(tmp_path / "index.csv"), "--json"]
    assert main([*words, "--gs", f"gs://mine={plain}"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 27
    assert main(words) != 0
