"""Test the defaults of the updater's tools."""

from appliance.labeling.probe import probe
from appliance.updates.tools import UpdaterTools


def test_defaults_are_the_real_tools():
    tools = UpdaterTools()
    assert tools.probe is probe and tools.local_time().tzinfo is not None
    assert 0 <= tools.random() <= 1 and tools.clock() <= tools.clock()
