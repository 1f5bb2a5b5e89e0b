"""Test `appliance demo`: its arguments and its exit status."""

import pytest

from appliance.cli import main


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "-inf"])
def test_seconds_out_of_range_are_wrong_usage(seconds, capsys):
    assert main(["demo", f"--seconds={seconds}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--seconds" in err


def test_seconds_that_are_no_number_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--seconds", "long"])
    assert ended.value.code == 2
    assert "--seconds" in capsys.readouterr().err


def test_run_without_an_event_exits_1(monkeypatch, capsys):
    monkeypatch.setattr("appliance.demo.run.run_demo", lambda seconds, print_line: 0)
    assert main(["demo", "--seconds", "0.01"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 events")


def test_demo_ends_with_the_next_command(monkeypatch, capsys):
    monkeypatch.setattr("appliance.demo.run.run_demo", lambda seconds, print_line: 3)
    monkeypatch.setenv("APPLIANCE_DEVICE__ID", "kitchen")
    assert main(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 events")
    assert lines[1].endswith("appliance run")
    assert lines[2].endswith("mosquitto_sub -h localhost -v -t 'appliance/kitchen/#'")
