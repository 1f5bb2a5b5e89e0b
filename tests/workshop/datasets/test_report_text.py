"""The report of `appliance dataset check` as text."""

import re

import pytest

from appliance.cli import main
from appliance.workshop.datasets.check import check_dataset
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.report_text import format_report
from support.datasets import make_files, make_picture, make_split_files, write_folder


@pytest.fixture
def good():
    return make_files({"roses": 100, "tulips": 101})


def test_long_lists_are_shortened_for_people_only(good, tmp_path, capsys):
    path = write_folder(tmp_path / "set", {**good, **{f"roses/bad{n}.jpg": b"x" for n in range(9)}})
    report = check_dataset(open_dataset(path))
    assert [len(finding.items) for finding in report.findings if finding.kind == "unreadable"] == [9]
    main(["dataset", "check", str(path)])
    assert "  … and 4 more (--json lists all)\n" in capsys.readouterr().out


def test_table_counts_each_split_and_remarks_on_small_labels(tmp_path):
    files = make_split_files({"a": 50}, "TRAIN", "TEST") | make_files({"b": 9}, 900)
    files = {name if "/0" in name and name.startswith("T") else f"TRAIN/{name}": data for name, data in files.items()}
    lines = format_report(check_dataset(open_dataset(write_folder(tmp_path / "set", files))))
    assert any(re.search(r"^a +100 +50 +– +50 +–$", line) for line in lines)
    assert any(re.search(r"^b +9 +9 +– +– +–  too few: .*10$", line) for line in lines)
    assert lines[-1].startswith("1 error")


def test_table_fits_the_terminal(tmp_path):
    long = "a label that is much longer than any column has room for"
    files = make_split_files({"a": 50}, "TRAIN", "TEST") | make_files({long: 9}, 900)
    files = {name if "/0" in name and name.startswith("T") else f"TRAIN/{name}": data for name, data in files.items()}
    report = check_dataset(open_dataset(write_folder(tmp_path / "set", files)))
    for columns in (80, 100):
        lines = format_report(report, columns)
        table = lines[2 : lines.index("", 2)]
        assert [line for line in table if len(line) > columns] == []
        assert any("…" in line for line in table), "the long label is cut"


def test_least_certain_predictions_are_listed_first(good, tmp_path):
    sidecar = (
        '{"reason": "unsure", "labels": [{"label": "roses", "score": %s}], "model": {"name": "m", "version": "1"}}'
    )
    seen = {f"{n}.jpg": make_picture(900 + n) for n in range(3)}
    seen |= {f"{n}.json": (sidecar % score).encode() for n, score in enumerate((0.8, 0.2, 0.5))}
    lines = format_report(check_dataset(open_dataset(write_folder(tmp_path / "set", good | seen))))
    listed = [line.split()[0] for line in lines if "(unsure, m 1)" in line]
    assert listed == ["1.jpg", "2.jpg", "0.jpg"]
