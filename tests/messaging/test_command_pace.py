"""Test the bounded rate of commands."""

from appliance.messaging.command_pace import Allowance, CommandPace
from support.messaging import ManualTimers


class Rig:
    def __init__(self):
        self.timers = ManualTimers()
        self.pace = CommandPace(2, 4.0, self.timers.start, lambda: self.timers.now_s)
        self.done = []

    def submit(self, name, value):
        self.pace.submit(name, lambda: self.done.append((name, value)), lambda: self.done.append((name, "replaced")))


def test_allowance_is_restored_over_time():
    now_s = [0.0]
    allowance = Allowance(2, 4.0, lambda: now_s[0])
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    assert allowance.wait_s == 0.25
    assert not allowance.is_full
    now_s[0] = 0.25
    assert [allowance.take() for _ in range(2)] == [True, False]
    now_s[0] = 10
    assert allowance.is_full and allowance.wait_s == 0


def test_few_commands_run_at_once():
    rig = Rig()
    rig.submit("threshold", 1)
    rig.submit("running", 2)
    assert rig.done == [("threshold", 1), ("running", 2)]


def test_last_of_each_command_wins_in_a_flood():
    rig = Rig()
    for value in range(1000):
        rig.submit("threshold", value)
        rig.submit("running", value)
    ran = [(name, value) for name, value in rig.done if value != "replaced"]
    assert ran == [("threshold", 0), ("running", 0)]
    rig.timers.advance(1)
    assert rig.done[-2:] == [("threshold", 999), ("running", 999)]
    assert len(rig.done) == 2000


def test_rate_is_bounded_during_a_long_flood():
    rig = Rig()
    for value in range(1000):
        rig.submit("threshold", value)
        rig.timers.advance(0.01)
    rig.timers.advance(1)
    ran = [value for _, value in rig.done if value != "replaced"]
    assert 38 <= len(ran) <= 45
    assert ran == sorted(ran) and ran[-1] == 999
