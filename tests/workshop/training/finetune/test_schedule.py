"""The epochs fit into the time, and the learning rate ends near 0."""

import pytest

from appliance.workshop.training.finetune.schedule import BATCH, MAX_EPOCHS, SIDE_PX, TuningSchedule, plan_epochs


def test_rate_rises_and_ends_near_zero():
    schedule = TuningSchedule(4, 50)
    rates = [schedule.compute_rate(step) for step in range(schedule.steps)]
    assert max(rates) == pytest.approx(1, abs=0.04)
    assert rates.index(max(rates)) == pytest.approx(0.15 * schedule.steps, abs=1)
    assert 0 < rates[0] < 0.1 and 0 <= rates[-1] < 0.01


@pytest.mark.parametrize(("left_s", "epochs"), [(None, MAX_EPOCHS), (500.0, 4), (250.0, 2)])
def test_epochs_fit_into_the_time(left_s, epochs):
    assert plan_epochs(BATCH * 50, 2.0, 10.0, left_s) == TuningSchedule(epochs, 50, 5)


def test_too_little_time_gives_no_schedule():
    assert plan_epochs(BATCH * 50, 2.0, 10.0, 200.0) is None


def test_large_set_needs_fewer_epochs():
    assert plan_epochs(4_000, 1.0, 1.0, None).epochs < MAX_EPOCHS


@pytest.mark.parametrize(
    ("step", "left", "epochs"), [(100, 5, 6), (100, 9, 6), (100, 2, 4), (100, 1, 3), (100, 0, 2), (20, 0, 1)]
)
def test_schedule_is_adjusted_to_what_fits(step, left, epochs):
    assert TuningSchedule(4, 50).adjust(step, left, 6).epochs == epochs


def test_last_crops_are_larger():
    schedule = TuningSchedule(4, 50)
    sides = [schedule.choose_side_px(step) for step in range(schedule.steps)]
    assert sides == sorted(sides) and sides[0] < sides[-1] == SIDE_PX


def test_work_is_in_proportion_to_the_time():
    schedule = TuningSchedule(5, 20, 4)
    # 60 batches of 160 px, 40 of 192 px, and 5 times the validation pictures.
    assert schedule.compute_work(100, 5) == round(60 * (160 / 192) ** 2) + 40 + 5 * 4
    assert schedule.compute_work(0, 0) == 0 and schedule.compute_work(20, 1) == schedule.compute_work(20, 0) + 4
    assert schedule.adjust(20, 2, 8).validation_steps == 4
