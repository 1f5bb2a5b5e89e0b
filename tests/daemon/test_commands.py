"""Test the command table and its front ends."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from appliance.control.protocol import ControlCommand, make_request
from appliance.daemon.commands import SOCKET_COMMANDS, DeviceCommand, DeviceCommands, DeviceQueries
from appliance.daemon.device_switches import DeviceSwitches
from appliance.daemon.live_settings import LiveSettings
from appliance.daemon.overrides import OverrideFile
from appliance.errors import ControlError, LabelOptionError, StoreError
from appliance.imaging.view import View
from appliance.messaging.topics import Topics
from appliance.settings.schema import EventSettings, LabelerSettings, Settings
from support.labeling_device import LABELS, ReportLog


class BusyUpdater:
    """An updater that is busy with a long download, so that requests wait."""

    def check(self):
        return Future()


def make_commands(folder, updater=None, **replacements):
    parts = {
        "switch": SimpleNamespace(set_threshold=lambda value: None),
        "active": SimpleNamespace(is_overridden=False, delivery_blocked_reason=None),
        "switches": DeviceSwitches(LiveSettings(Settings()), OverrideFile(folder), ReportLog(), None),
        "reports": ReportLog(),
        "report_step": lambda step: None,
        "restart": lambda: None,
        "queries": DeviceQueries(lambda: {"version": "x"}, lambda: {"frame": None}, dict),
    }
    return DeviceCommands(updater=updater, **(parts | replacements))


def test_check_behind_a_download_fails_after_the_limit(tmp_path):
    with pytest.raises(ControlError, match=r"0\.05 s.*download"):
        make_commands(tmp_path, BusyUpdater()).execute("check", limit_s=0.05)


def test_unknown_socket_command_is_refused(tmp_path):
    commands = make_commands(tmp_path)
    assert commands.answer_socket(make_request(ControlCommand.STATUS)) == {"version": "x"}
    for request in ({"command": "dance"}, {"command": ["status"]}, {}, {"command": "threshold"}):
        with pytest.raises(ControlError, match="does not know the command"):
            commands.answer_socket(request)


def test_every_socket_command_is_in_the_table(tmp_path):
    assert set(SOCKET_COMMANDS) == set(ControlCommand)
    # The page and teaching register their own commands (tests/daemon/page, tests/daemon/teaching).
    assert set(SOCKET_COMMANDS.values()) - {"web", "record"} <= set(make_commands(tmp_path).table)


def test_command_of_an_optional_part_gets_its_argument(tmp_path):
    commands = make_commands(tmp_path)
    commands.register("web", DeviceCommand(lambda argument: {"given": argument}))
    assert commands.answer_socket({"command": "web", "argument": {"action": "link"}}) == {"given": {"action": "link"}}


def test_every_mqtt_command_is_in_the_table(tmp_path):
    names = Topics("appliance", "t").commands
    commands = make_commands(tmp_path)
    assert set(commands.mqtt_handlers(names)) == set(names) <= set(commands.table)


@pytest.mark.parametrize("name", ["check", "install", "update-status"])
def test_update_commands_without_a_source_name_the_remedy(tmp_path, name):
    with pytest.raises(ControlError, match="appliance model install"):
        make_commands(tmp_path).submit(name, "latest")


def test_update_commands_are_refused_while_settings_name_the_model(tmp_path):
    active = SimpleNamespace(is_overridden=True, delivery_blocked_reason="labeler.model names the model")
    with pytest.raises(ControlError, match=r"labeler\.model"):
        make_commands(tmp_path, BusyUpdater(), active=active).submit("check")


def test_snapshot_is_refused_while_switched_off(tmp_path):
    commands = make_commands(tmp_path)
    commands.submit("running", False)
    with pytest.raises(ControlError, match="running to ON"):
        commands.submit("snapshot")


def test_restart_is_passed_on(tmp_path):
    calls = []
    make_commands(tmp_path, restart=lambda: calls.append(True)).submit("restart")
    assert calls == [True]


def test_slow_command_runs_in_the_background(make_device):
    device = make_device()
    answer = device.commands.submit("rollback")
    assert isinstance(answer, Future)
    assert answer.result(20)["name"] == "one"
    assert device.stored == "one"
    assert device.reports.updates[-1].state == "rolled_back"


def test_slow_command_reports_its_error_through_the_future(make_device):
    device = make_device(two=("only here", *LABELS[1:]))
    device.allow("only here")
    with pytest.raises(LabelOptionError):
        device.commands.submit("rollback").result(20)


def test_rollback_to_a_model_that_does_not_fit_is_refused(make_device):
    device = make_device(two=("only here", *LABELS[1:]))
    device.allow("only here")
    with pytest.raises(LabelOptionError, match="only here"):
        device.commands.answer_socket(make_request(ControlCommand.MODEL_ROLLBACK))
    assert (device.labeling, device.stored) == ("two", "two")
    device.allow()
    assert device.commands.answer_socket(make_request(ControlCommand.MODEL_ROLLBACK))["name"] == "one"
    assert device.stored == "one"


def test_rollback_is_refused_while_settings_name_the_model(make_device, tmp_path):
    device = make_device()
    settings = LabelerSettings(model=str(tmp_path / "one"))
    device.switch.apply_settings(settings, EventSettings(), View(), reload_model=True)
    with pytest.raises(StoreError, match=r"labeler\.model"):
        device.commands.execute("rollback")


def test_reload_model_answers_with_the_model_of_the_store(make_device):
    device = make_device()
    device.active.store.rollback("the store was changed by a command")
    answer = device.commands.answer_socket(make_request(ControlCommand.MODELS_CHANGED))
    assert set(answer) == {"name", "version", "sha256"}
    assert answer["name"] == "one"
