"""Test the shared arguments."""

import argparse
import os
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.cli.arguments import add_gs_argument, parse_fraction, parse_output_path, require_valid_seed
from appliance.errors import UsageError


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1", 1.0), ("0.25", 0.25)])
def test_fraction_is_a_number_from_0_to_1(text, value):
    assert parse_fraction(text) == value


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "half", ""])
def test_other_text_is_no_fraction(text):
    with pytest.raises(argparse.ArgumentTypeError, match="from 0 to 1"):
        parse_fraction(text)


def test_negative_seed_is_wrong_usage():
    require_valid_seed(0)
    with pytest.raises(UsageError, match="--seed"):
        require_valid_seed(-1)


def test_gs_is_repeatable():
    parser = argparse.ArgumentParser()
    add_gs_argument(parser)
    assert parser.parse_args([]).gs == []
    assert parser.parse_args(["--gs", "gs://a=x", "--gs", "gs://b=y"]).gs == ["gs://a=x", "gs://b=y"]


LATIN = os.fsdecode(b"m\xfcll")


def test_path_to_write_must_be_utf8():
    assert parse_output_path("müll/x") == Path("müll/x")
    with pytest.raises(argparse.ArgumentTypeError, match="is not UTF-8; use another name"):
        parse_output_path(LATIN)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "x", "--base", "y", "--out", LATIN],
        ["train", "x", "--base", "y", "--out", "z", "--name", LATIN],
        ["evaluate", "x", "y", "--report", LATIN],
        ["evaluate", "x", "y", "--scores", f"{LATIN}.csv"],
        ["dataset", "pack", "x", "--form", "zip", "--out", f"{LATIN}.zip"],
        ["dataset", "pack", "x", "--form", "csv", "--out", "y", "--prefix", f"gs://{LATIN}"],
    ],
)
def test_name_outside_utf8_is_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "is not UTF-8; use another name" in capsys.readouterr().err
