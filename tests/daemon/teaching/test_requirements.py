"""What a training on this device needs."""

import pytest

from appliance.daemon.teaching.requirements import (
    INSTALL_COMMAND,
    choose_processors,
    compute_memory_limit_mb,
    find_training_obstacle,
)
from appliance.system.memory import read_available_mb
from appliance.teaching.holdout import TrainingPlan


def plan(*labels, **left_out):
    return TrainingPlan({label: [] for label in labels}, {}, left_out, ())


@pytest.fixture
def meminfo(tmp_path):
    def write(available_mb):
        path = tmp_path / "meminfo"
        path.write_text(f"MemTotal: 1000000 kB\nMemAvailable:  {int(available_mb * 1e6 / 1024)} kB\n")
        return path

    return write


def test_small_device_is_offered_the_download(meminfo):
    found = find_training_obstacle(plan("cup", "mug"), True, meminfo(200))
    assert found.status == 503 and "200 MB" in found.reason and "download" in found.reason and found.command is None


def test_missing_workshop_names_the_one_command(meminfo):
    found = find_training_obstacle(plan("cup", "mug"), False, meminfo(900))
    assert (found.status, found.command) == (503, INSTALL_COMMAND) == (503, "sudo scripts/install.sh --with workshop")


@pytest.mark.parametrize("labels", [(), ("cup",), ("background",)])
def test_too_few_labels_are_named(meminfo, labels):
    found = find_training_obstacle(plan(*labels, mug=4), True, meminfo(900))
    assert found.status == 409 and "mug has 4" in found.reason


@pytest.mark.parametrize("labels", [("cup", "mug"), ("cup", "background")])
def test_two_kinds_of_pictures_are_enough(meminfo, labels):
    assert find_training_obstacle(plan(*labels), True, meminfo(900)) is None


def test_memory_is_bounded_by_what_is_free(meminfo, tmp_path):
    assert read_available_mb(meminfo(900)) == pytest.approx(900, abs=0.01)
    assert compute_memory_limit_mb(900.0) < 900 and compute_memory_limit_mb(100.0) == 50
    assert read_available_mb(tmp_path / "none") is compute_memory_limit_mb(None) is None
    (tmp_path / "odd").write_text("MemTotal: 1 kB\n")
    assert read_available_mb(tmp_path / "odd") is None and choose_processors()
