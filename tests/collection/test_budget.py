"""Test the number of frames that may be kept in an hour."""

from appliance.collection.budget import HourBudget


def keep(budget: HourBudget, *times_s: float) -> list[float]:
    """Keep the frames that the budget allows; return their times."""
    kept = []
    for time_s in times_s:
        if budget.allows(time_s):
            budget.charge(time_s)
            kept.append(time_s)
    return kept


def test_frames_are_spread_over_the_hour():
    assert keep(HourBudget(4, spread=True), *range(0, 7200, 60)) == list(range(0, 7200, 900))


def test_frames_may_come_at_once_if_they_are_not_spread():
    budget = HourBudget(3, spread=False)
    assert keep(budget, 0, 1, 2, 3, 4, 3599) == [0, 1, 2]
    assert keep(budget, 3600, 3600.5, 3601) == [3600, 3601]


def test_question_costs_nothing():
    budget = HourBudget(1, spread=False)
    assert all(budget.allows(float(time_s)) for time_s in range(10))


def test_lower_number_applies_at_once():
    budget = HourBudget(60, spread=False)
    keep(budget, *range(30))
    budget.per_hour = 20
    assert not budget.allows(31.0)
    budget.per_hour = 31
    assert budget.allows(31.0)
