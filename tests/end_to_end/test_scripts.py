"""Test how the scripts answer wrong options, which they examine before anything else."""

import subprocess

import pytest

from support.paths import ROOT


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("install.sh --with", "--with needs an extra"),
        ("install.sh --without --web", "--without needs an extra"),
        ("install.sh --wheels", "--wheels needs a folder"),
        ("install.sh --root --dry-run", "--root needs a file"),
        ("install.sh --wait", "--wait needs seconds"),
        ("install.sh --wait long", "--wait needs a whole number of seconds, not long"),
        ("wheels folder --device", "--device needs bookworm or trixie"),
        ("wheels folder --with", "--with needs an extra"),
    ],
)
def test_option_without_its_value_is_one_sentence(command, text):
    done = subprocess.run(
        [f"scripts/{command.split()[0]}", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr and done.stderr.count("\n") == 1 and ": line " not in done.stderr
