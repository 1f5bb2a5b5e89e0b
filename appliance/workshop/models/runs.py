"""List the training runs: three seeds, one of which is shipped, and two that measure the unseen."""

from dataclasses import dataclass

from appliance.workshop.models.paths import OTHER_SETS

SEEDS = (1, 2, 3)
# Pictures per run; fewer in the two runs that only measure how a model treats subjects that it has not seen.
SAMPLES, SAMPLES_UNSHIPPED = 1_000_000, 700_000


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One training of the network.

    Attributes:
        name: The file name of the weights, without its ending.
        seed: Of the start values and of the order of pictures.
        samples: The number of pictures shown, repetitions included.
        backgrounds: The sets that are shown as pictures without flowers.
    """

    name: str
    seed: int
    samples: int
    backgrounds: tuple[str, ...]

    @property
    def is_shippable(self) -> bool:
        """Whether the run is one of the seeds that the bundled model is chosen from."""
        return self.backgrounds == OTHER_SETS


RUNS = {
    run.name: run
    for run in (
        *(TrainingRun(f"seed-{seed}", seed, SAMPLES, OTHER_SETS) for seed in SEEDS),
        *(TrainingRun(f"only-{name}", 1, SAMPLES_UNSHIPPED, (name,)) for name in OTHER_SETS),
    )
}
