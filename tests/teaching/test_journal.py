"""The changes that can be undone."""

import json

import pytest

from appliance.errors import TeachingError
from appliance.teaching.journal import MAX_STEPS, Move, TeachingJournal


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dataset" / "cup").mkdir(parents=True)
    return tmp_path


def open_journal(root):
    return TeachingJournal(root / "teaching", {"dataset": root / "dataset", "collected": root / "collected"})


def test_step_is_undone_after_a_restart(root):
    (root / "dataset/cup/a.jpg").write_text("a")
    open_journal(root).carry_out("a is back", [Move("dataset/cup/a.jpg", "trash/1/dataset/cup/a.jpg")])
    assert not (root / "dataset/cup/a.jpg").exists()
    journal = open_journal(root)
    assert journal.undo() == "a is back"
    assert (root / "dataset/cup/a.jpg").read_text() == "a" and not journal.steps
    with pytest.raises(TeachingError, match="nothing to undo"):
        journal.undo()


def test_only_the_last_steps_are_kept_and_their_files_removed(root):
    journal = open_journal(root)
    for number in range(MAX_STEPS + 5):
        (root / f"dataset/cup/{number}.jpg").write_text("x")
        token = f"dataset/cup/{number}.jpg"
        journal.carry_out("back", [Move(token, f"trash/{journal.next_number}/{token}")])
    assert len(journal.steps) == MAX_STEPS == len(list((root / "teaching/trash").iterdir()))
    for _ in range(MAX_STEPS):
        journal.undo()
    assert len(list((root / "dataset/cup").iterdir())) == MAX_STEPS


def test_undo_replaces_nothing(root):
    (root / "dataset/cup/a.jpg").write_text("old")
    journal = open_journal(root)
    journal.carry_out("back", [Move("dataset/cup/a.jpg", "dataset/mug/a.jpg")])
    (root / "dataset/cup/a.jpg").write_text("new")
    journal.undo()
    assert {path.read_text() for path in (root / "dataset/cup").iterdir()} == {"old", "new"}


def test_files_that_are_gone_are_skipped(root):
    journal = open_journal(root)
    assert journal.carry_out("back", [Move("dataset/cup/gone.jpg", "dataset/mug/gone.jpg")]) == 0
    assert journal.undo() == "back"


def test_space_of_deleted_files_can_be_freed(root):
    (root / "dataset/cup/a.jpg").write_text("12345")
    journal = open_journal(root)
    journal.carry_out("back", [Move("dataset/cup/a.jpg", "trash/1/dataset/cup/a.jpg")])
    journal.carry_out("moved", [Move("dataset/cup/x.jpg", "dataset/mug/x.jpg")])
    assert journal.measure_trash() == 5
    assert journal.forget_oldest_trash() and journal.measure_trash() == 0
    assert [step.sentence for step in journal.steps] == ["moved"] and not journal.forget_oldest_trash()


@pytest.mark.parametrize("token", ["dataset/../../etc/passwd", "other/a", "dataset//a", "dataset", "/etc/passwd"])
def test_edited_journal_leads_nowhere(root, token):
    (root / "teaching").mkdir()
    steps = [{"number": 1, "sentence": "x", "moves": [["dataset/cup/a.jpg", token]]}]
    (root / "teaching/undo.json").write_text(json.dumps({"steps": steps}))
    with pytest.raises(TeachingError, match="damaged"):
        open_journal(root).undo()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"steps": 3}', '{"steps": [{"number": "x"}]}'])
def test_damaged_file_is_forgotten(root, content):
    (root / "teaching").mkdir()
    (root / "teaching/undo.json").write_text(content)
    assert not open_journal(root).steps
