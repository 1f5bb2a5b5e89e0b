"""Plan how long a base is fine-tuned, and its learning rate at each step."""

import math
from dataclasses import dataclass, replace

BATCH = 32
MAX_EPOCHS, MIN_EPOCHS = 16, 2
# Larger sets need fewer epochs.
_PICTURES_IN_ALL = 28_000
_WARM_UP_SHARE = 0.15
# Crops show things larger than whole pictures of the same side do, so crops with a smaller side than that of a device's
# pictures are as good for training (Touvron et al. 2019, arXiv:1906.06423), and take less time. Most of what is learned
# is learned from even smaller ones. The sides are multiples of 32, so that each of the five halvings is exact.
_SMALL_SIDE_PX, SIDE_PX = 160, 192
_SMALL_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class TuningSchedule:
    """One cycle of the learning rate: a linear rise, then half a cosine down to 0.

    Attributes:
        epochs: How many times each picture is used.
        steps_per_epoch: The number of batches of an epoch.
        validation_steps: How many batches of the largest crops take the time of measuring the validation pictures.
    """

    epochs: int
    steps_per_epoch: int
    validation_steps: int = 0

    @property
    def steps(self) -> int:
        """The number of all batches."""
        return self.epochs * self.steps_per_epoch

    def compute_rate(self, step: int) -> float:
        """Return the learning rate at a step, as a share of the highest one."""
        warm_up = max(1.0, _WARM_UP_SHARE * self.steps)
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1.0, self.steps - warm_up)))

    def choose_side_px(self, step: int) -> int:
        """Return the side of the crops at a step."""
        return _SMALL_SIDE_PX if step < _SMALL_SHARE * self.steps else SIDE_PX

    def compute_work(self, step: int, measured: int) -> int:
        """Return the work that is done, in batches of the largest crops; it takes time in proportion.

        Args:
            step: The number of batches that were trained on.
            measured: How often the validation pictures were measured.
        """
        small = min(step, math.ceil(_SMALL_SHARE * self.steps))
        return round(small * (_SMALL_SIDE_PX / SIDE_PX) ** 2) + step - small + measured * self.validation_steps

    def adjust(self, step: int, epochs_left: int, most: int) -> "TuningSchedule":
        """Return the schedule with so many more epochs, but at least the current one, and at most `most`."""
        done = max(1, -(-step // self.steps_per_epoch))
        return replace(self, epochs=max(done, min(done + epochs_left, most)))


def plan_most(pictures: int) -> int:
    """Return the number of epochs after which more are of no use for so many pictures."""
    return min(MAX_EPOCHS, max(MIN_EPOCHS + 2, round(_PICTURES_IN_ALL / max(1, pictures))))


def plan_epochs(pictures: int, step_s: float, validation_s: float, left_s: float | None) -> TuningSchedule | None:
    """Plan the epochs that fit into the time that is left.

    Args:
        pictures: The number of training pictures.
        step_s: The time for a batch.
        validation_s: The time for measuring the validation pictures after each epoch.
        left_s: The time that is left; None for no limit.

    Returns:
        The schedule; None if not even MIN_EPOCHS fit.
    """
    steps = max(1, pictures // BATCH)
    epochs = plan_most(pictures)
    if left_s is not None:
        epochs = min(epochs, int(left_s / (steps * step_s + validation_s)))
    return TuningSchedule(epochs, steps, round(validation_s / step_s)) if epochs >= MIN_EPOCHS else None
