"""Test the shared arguments."""

import argparse

import pytest

from appliance.cli.arguments import add_gs_argument, parse_fraction, require_valid_seed
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
