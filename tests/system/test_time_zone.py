"""The name of the time zone."""

import time
from pathlib import Path

import pytest

from appliance.system.time_zone import describe_time_zone

pytestmark = pytest.mark.skipif(not Path("/usr/share/zoneinfo/Asia/Seoul").exists(), reason="tzdata is not installed")


@pytest.fixture(autouse=True)
def berlin(monkeypatch):
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def set_zone(monkeypatch, name):
    """Make the clock of this process follow a zone, without naming it in the environment for good."""
    monkeypatch.setenv("TZ", name)
    time.tzset()
    monkeypatch.delenv("TZ")


def test_name_comes_from_the_link_or_from_debians_file(berlin, tmp_path):
    set_zone(berlin, "Asia/Tokyo")
    link, file = tmp_path / "localtime", tmp_path / "timezone"
    assert describe_time_zone(link, file) == "+0900"
    file.write_text("Asia/Tokyo\n")
    assert describe_time_zone(link, file) == "Asia/Tokyo"
    link.symlink_to("../usr/share/zoneinfo/Asia/Seoul")  # the same offset
    assert describe_time_zone(link, file) == "Asia/Seoul"


@pytest.mark.parametrize(
    "name", ["", "Europe/Berlin", "Nowhere/City", "../../etc/passwd", "x" * 5000, "Asia/Tokyo\x1b"]
)
def test_name_that_is_not_of_this_clock_is_not_used(berlin, tmp_path, name):
    set_zone(berlin, "Asia/Tokyo")
    (tmp_path / "timezone").write_text(name)
    assert describe_time_zone(tmp_path / "localtime", tmp_path / "timezone") == "+0900"


def test_name_in_the_environment_comes_first(berlin, tmp_path):
    berlin.setenv("TZ", ":America/Lima")
    time.tzset()
    (tmp_path / "timezone").write_text("America/Bogota\n")
    assert describe_time_zone(tmp_path / "localtime", tmp_path / "timezone") == "America/Lima"
