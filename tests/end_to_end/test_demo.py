"""Test the demo: events arrive from the broker, and a newer model replaces the first while it runs."""

import pytest

from support.daemon import run_command

STEPS = ["available", "downloading", "verifying", "probing", "swapped", "probation", "committed"]


@pytest.mark.slow
def test_newer_model_takes_over_while_the_demo_runs():
    pytest.importorskip("amqtt")
    done = run_command("demo", "--seconds", "30")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in lines if line.split()[0] == "update"] == STEPS, done.stdout
    models = [line.split("model ")[1].split()[0] for line in lines if " started " in line]
    assert len(models) >= 3 and models[0] != models[-1] and models == sorted(models), done.stdout
    assert not done.stderr
    assert "mosquitto_sub" in lines[-1]
