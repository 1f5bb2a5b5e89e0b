"""The demo as a newcomer sees it: events that came back from the broker, and a newer model that takes over on the way."""

import pytest

from support.daemon import run_command

WAY = ["available", "downloading", "verifying", "probing", "swapped", "probation", "committed"]


@pytest.mark.slow
def test_a_newer_model_takes_over_before_the_users_eyes():
    pytest.importorskip("amqtt")
    done = run_command("demo", "--seconds", "30")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in lines if line.split()[0] == "update"] == WAY, done.stdout
    models = [line.split("model ")[1].split()[0] for line in lines if " started " in line]
    assert len(models) >= 3 and models[0] != models[-1] and models == sorted(models), done.stdout
    assert not done.stderr.replace("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n", "")
