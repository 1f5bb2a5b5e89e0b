"""Test that every host of the updater has the methods that the updater calls."""

import inspect

import pytest

from appliance.daemon.update_host import UpdateHost
from appliance.updates.host import Host
from support.firebase import FirebaseRig

METHODS = sorted(name for name, _ in inspect.getmembers(Host, inspect.isfunction) if not name.startswith("_"))


@pytest.mark.parametrize("host", [UpdateHost, FirebaseRig])
@pytest.mark.parametrize("method", METHODS)
def test_host_has_the_methods_that_the_updater_calls(host, method):
    """The updater passes all arguments by position."""
    wanted, given = (inspect.signature(getattr(kind, method)).parameters for kind in (Host, host))
    assert [parameter.default for parameter in given.values()] == [parameter.default for parameter in wanted.values()]


def test_updater_can_load_swap_and_report():
    assert {"running_bundle", "preload", "swap", "rollback", "report_step", "report_status"} <= set(METHODS)
