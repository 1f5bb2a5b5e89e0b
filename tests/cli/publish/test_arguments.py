"""Test the arguments that several actions share."""

from argparse import Namespace
from pathlib import Path

import pytest

from appliance.cli.publish.arguments import (
    check_percent,
    make_channel_parser,
    make_json_parser,
    make_percent_parser,
    make_signing_parser,
    make_site_parser,
)
from appliance.errors import UsageError


@pytest.mark.parametrize("percent", [None, 0.0, 12.5, 100.0])
def test_percent_from_0_to_100_is_accepted(percent):
    assert check_percent(Namespace(percent=percent)) == percent


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan"), float("inf")])
def test_other_percent_is_wrong_usage(percent):
    with pytest.raises(UsageError, match="--percent"):
        check_percent(Namespace(percent=percent))


def test_defaults():
    assert make_signing_parser().parse_args([]).days == 90
    assert make_channel_parser().parse_args([]).channel == "stable"
    assert make_percent_parser().parse_args([]).percent is None
    assert make_json_parser().parse_args([]).json is False


@pytest.mark.parametrize("given", [[], ["--site", "s"], ["--keys", "k"]], ids=" ".join)
def test_site_and_keys_are_required_unless_stated(given, capsys):
    with pytest.raises(SystemExit) as ended:
        make_site_parser().parse_args(given)
    assert ended.value.code == 2
    parsed = make_site_parser(site_required=False, keys_required=False).parse_args(given)
    assert parsed.keys == (Path("k") if "--keys" in given else None)
