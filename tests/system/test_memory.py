"""The limit on the program's own memory."""

import pytest

from appliance.errors import SettingsError
from appliance.system.memory import read_memory_limit_mb


def test_limit_is_a_percentage_or_megabytes(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:         425984 kB\nMemFree:           12345 kB\n")  # a Pi Zero 2 W's
    assert read_memory_limit_mb({"APPLIANCE_MEMORY_LIMIT": "60%"}, meminfo) == pytest.approx(261.7, abs=0.1)
    assert read_memory_limit_mb({"APPLIANCE_MEMORY_LIMIT": "250M"}, meminfo) == 250
    assert read_memory_limit_mb({}, meminfo) is None


@pytest.mark.parametrize("text", ["60", "0%", "101%", "lots", "-5M"])
def test_other_form_is_refused(text):
    with pytest.raises(SettingsError, match="60%"):
        read_memory_limit_mb({"APPLIANCE_MEMORY_LIMIT": text})
