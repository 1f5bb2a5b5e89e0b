"""A clock that cannot be right."""

from pathlib import Path

import appliance
from appliance.system.clock import is_clock_before_build

BUILD_S = Path(appliance.__file__).stat().st_mtime


def test_clock_before_the_programs_files_is_recognized():
    assert is_clock_before_build(0)
    assert is_clock_before_build(BUILD_S - 1)


def test_clock_after_the_programs_files_is_accepted():
    assert not is_clock_before_build(BUILD_S + 1)
    assert not is_clock_before_build()
