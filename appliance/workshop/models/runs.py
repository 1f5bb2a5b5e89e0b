"""List the training runs: three seeds, one of which is shipped, and two that measure unseen backgrounds."""

from dataclasses import dataclass

from appliance.workshop.models.paths import OTHER_SETS

SEEDS = (1, 2, 3)
# The pictures per run; the two runs that only measure how a model labels subjects outside its training use fewer.
SAMPLES, SAMPLES_UNSHIPPED = 1_000_000, 700_000


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training run of the network.

    Attributes:
        name: The file name of the weights, without its suffix.
        seed: The seed of the initial weights and of the order of pictures.
        samples: The number of pictures used, including repetitions.
        backgrounds: The sets that are used as pictures without flowers.
    """

    name: str
    seed: int
    samples: int
    backgrounds: tuple[str, ...]

    @property
    def is_shippable(self) -> bool:
        """Whether the run is one of the seeds from which the bundled model is chosen."""
        return self.backgrounds == OTHER_SETS


RUNS = {
    run.name: run
    for run in (
        *(TrainingRun(f"seed-{seed}", seed, SAMPLES, OTHER_SETS) for seed in SEEDS),
        *(TrainingRun(f"only-{name}", 1, SAMPLES_UNSHIPPED, (name,)) for name in OTHER_SETS),
    )
}
