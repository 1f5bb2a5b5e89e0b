"""Test `appliance clear-topics`."""

from support.daemon import run_command, settings


def test_topics_are_cleared_and_counted(broker, tmp_path):
    file = tmp_path / "appliance.toml"
    file.write_text(settings(broker, "scene"))
    environ = {"APPLIANCE_STATE_DIR": str(tmp_path)}
    with broker.observer() as observer:
        observer.publish("appliance/t/label/daisy", "ON", retain=True)
        done = run_command("clear-topics", "--config", str(file), environ=environ)
        assert (done.returncode, done.stdout) == (0, "") and "cleared 1 topics" in done.stderr
        observer.wait_for("appliance/t/label/daisy", b"")


def test_absent_broker_is_reported(tmp_path):
    file = tmp_path / "appliance.toml"
    file.write_text(settings(None, "scene"))
    done = run_command("clear-topics", "--config", str(file), environ={"APPLIANCE_STATE_DIR": str(tmp_path)})
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
