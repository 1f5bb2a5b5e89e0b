"""Progress that a program reads, and the limit on memory."""

import argparse
import io
import json
import resource

import pytest

from appliance.cli.job_options import JsonProgress, add_job_arguments, limit_memory, open_progress
from appliance.cli.output import ProgressLine
from appliance.errors import ApplianceError


def parse(*words):
    parser = argparse.ArgumentParser()
    add_job_arguments(parser)
    return parser.parse_args(words)


def test_progress_is_one_line_of_json_per_step_and_bounded_in_time():
    out = io.StringIO()
    with JsonProgress(out) as progress:
        for done in range(1000):
            progress.show("reading\x1b[31m", done, 1000)
        progress.show("reading\x1b[31m", 1000, 1000)
        progress.show("writing", 0, 0)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert 3 <= len(lines) < 20 and all(set(line) == {"step", "done", "total", "left_s"} for line in lines)
    assert lines[-1] == {"step": "writing", "done": 0, "total": 0, "left_s": None}
    assert "\x1b" not in out.getvalue()


def test_options_choose_the_form():
    assert isinstance(open_progress(parse("--progress", "json")), JsonProgress)
    assert isinstance(open_progress(parse()), ProgressLine)


@pytest.mark.parametrize("text", ["0", "-1", "9", "x", "1.5", "99999999999", ""])
def test_wrong_limit_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parse("--memory", text)
    assert "megabytes" in capsys.readouterr().err


def test_limit_ends_the_work_with_a_sentence_and_is_lifted():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ApplianceError, match="50 MB of memory"), limit_memory(parse("--memory", "50")):
        bytearray(200_000_000)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with limit_memory(parse()):
        assert resource.getrlimit(resource.RLIMIT_AS) == before
