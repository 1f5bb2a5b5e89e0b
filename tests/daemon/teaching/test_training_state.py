"""The training job on disk."""

import pytest

from appliance.daemon.teaching.training_state import TrainingState, make_state_file


def test_state_is_read_as_written(tmp_path):
    state = TrainingState("done", None, {"threshold": 0.5}, {"cup": 3}, 0.2)
    make_state_file(tmp_path).write(state)
    assert make_state_file(tmp_path).read() == state


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "done"}', '{"state": 1, "result": 3}'])
def test_damaged_file_is_no_job(tmp_path, content):
    (tmp_path / "training.json").write_text(content)
    assert make_state_file(tmp_path).read() == TrainingState()
