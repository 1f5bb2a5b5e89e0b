"""Orders from the control socket."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from appliance.errors import ControlError
from appliance.orders import Orders


class BusyUpdater:
    """An update machine in the middle of a long download: what it is asked waits."""

    def check(self) -> Future:
        return Future()


def test_a_check_that_waits_behind_a_download_gets_a_sentence(tmp_path):
    models = SimpleNamespace(named=False)
    orders = Orders(tmp_path, models, None, None, None, restart=None, describe=None, check_limit_s=0.05)
    orders.updater = BusyUpdater()
    with pytest.raises(ControlError, match="no answer came within 0.05 s: a download may be under way"):
        orders.answer({"command": "model-check"})


def test_a_command_of_another_version_is_said(tmp_path):
    orders = Orders(tmp_path, None, None, None, None, restart=None, describe=lambda: {"version": "x"})
    assert orders.answer({"command": "status"}) == {"version": "x"}
    with pytest.raises(ControlError, match="the daemon knows no command 'dance'"):
        orders.answer({"command": "dance"})
