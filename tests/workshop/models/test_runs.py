"""The runs that are trained, and which of them may be shipped."""

from appliance.workshop.models.paths import OTHER_SETS
from appliance.workshop.models.runs import RUNS, SAMPLES, SAMPLES_UNSHIPPED


def test_three_seeds_are_shippable_two_runs_are_not():
    assert [name for name, run in RUNS.items() if run.is_shippable] == ["seed-1", "seed-2", "seed-3"]
    assert [name for name, run in RUNS.items() if not run.is_shippable] == [f"only-{name}" for name in OTHER_SETS]
    assert all(run.name == name for name, run in RUNS.items())


def test_unshipped_runs_see_one_background_and_fewer_pictures():
    for run in RUNS.values():
        if run.is_shippable:
            assert (run.backgrounds, run.samples) == (OTHER_SETS, SAMPLES)
        else:
            assert run.name == f"only-{run.backgrounds[0]}"
            assert (len(run.backgrounds), run.samples) == (1, SAMPLES_UNSHIPPED)
    assert SAMPLES_UNSHIPPED < SAMPLES


def test_seeds_differ():
    assert sorted(run.seed for run in RUNS.values() if run.is_shippable) == [1, 2, 3]
