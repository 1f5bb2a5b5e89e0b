"""Every form of datasets: checked, prepared for training, packed, and read back."""

import json

import pytest

from appliance.cli import main
from appliance.errors import DatasetError
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.datasets.pack import pack_dataset
from appliance.workshop.training.training_set import build_training_set
from support.dataset_forms import list_forms

FORMS = list(list_forms())
PACK_FORMS = ("zip", "folder", "csv", "jsonl")
PACKED_NAMES = {"csv": "index.csv", "jsonl": "index.jsonl"}

each = pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])


def check(path, capsys):
    status = main(["dataset", "check", str(path), "--json"])
    return status, json.loads(capsys.readouterr().out)


def read_counts(report):
    splits = ("train", "validation", "test", "unassigned")
    return {label: tuple(counts[split] for split in splits) for label, counts in report["labels"].items()}


def test_table_has_at_least_40_forms():
    assert len(FORMS) >= 40 and len({form.name for form in FORMS}) == len(FORMS)


@each
def test_check_and_train_agree(form, tmp_path, capsys):
    path = form.write(tmp_path)
    status, report = check(path, capsys)
    if isinstance(form.expected, str):
        assert status == 1 and not report["trainable"]
        with pytest.raises(DatasetError, match=form.expected):
            build_training_set(path, None, None, {}, 0)
        return
    assert (status, report["trainable"], read_counts(report)) == (0, True, form.expected)
    training_set = build_training_set(path, None, None, {}, 0)
    assert training_set.labels == ("cat", "dog")
    used = sum(train + validation for train, validation, _, _ in form.expected.values())
    free = sum(unassigned for _, _, _, unassigned in form.expected.values())
    assert used <= len(training_set.pictures) <= used + free
    # Without validation pictures, choices are made by cross-validation.
    assert training_set.is_validation.any() or not any(count for _, count, _, _ in form.expected.values())


@each
def test_packed_dataset_is_the_same(form, tmp_path, capsys):
    path = form.write(tmp_path / "in")
    kind = PACK_FORMS[FORMS.index(form) % len(PACK_FORMS)]
    out = tmp_path / ("out.zip" if kind == "zip" else "out")
    dataset = open_dataset(path)
    if any(problem.kind in ("misread", "wrong_name") for problem in dataset.problems):
        with pytest.raises(DatasetError, match="cannot be packed"):
            pack_dataset(dataset, out, kind)
        return
    pack_dataset(dataset, out, kind)
    _, before = check(path, capsys)
    _, after = check(out / PACKED_NAMES.get(kind, ""), capsys)
    assert read_counts(after) == read_counts(before)
    assert after["formats"] == before["formats"]
