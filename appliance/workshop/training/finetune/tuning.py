"""Train the layers of the network on a dataset, within a time limit.

AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with one cycle of the learning rate, a higher one for the new
classifier than for the published layers, and smoothed labels. After each epoch, the validation pictures are measured;
the weights with the lowest loss there are used, and training stops when three epochs in a row bring no lower one at a
low learning rate. At a high rate, the loss varies by more than an epoch improves it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from appliance.workshop.training.finetune.checkpoint import TuningCheckpoint
from appliance.workshop.training.finetune.gradient import ParallelGradient
from appliance.workshop.training.finetune.network import Lite0Network
from appliance.workshop.training.finetune.pixels import PixelFile
from appliance.workshop.training.finetune.schedule import BATCH, SIDE_PX, TuningSchedule, plan_epochs, plan_most

_HEAD_RATE, _BASE_RATE, _DECAY = 3e-3, 4e-4, 2e-2
_PATIENCE, _LOW_RATE = 3, 0.5
_SAVE_INTERVAL_S = 60.0
_TIMED_STEPS = 4


@dataclass(frozen=True, slots=True)
class TuningData:
    """The pictures of a fine-tuning.

    Attributes:
        train: The pictures to train on, larger than the network's input.
        train_targets: Their label indexes.
        validation: The pictures that decide when to stop, of the size of the network's input.
        validation_targets: Their label indexes.
    """

    train: PixelFile
    train_targets: np.ndarray
    validation: PixelFile
    validation_targets: np.ndarray


@dataclass(frozen=True, slots=True)
class TuningOptions:
    """How to train.

    Attributes:
        seed: The seed of every random choice.
        flips: Whether left and right may be exchanged.
        end_s: The time on the monotonic clock at which training must end; None for no limit.
        progress: Called with the current step and its progress (done, total).
    """

    seed: int
    flips: bool
    end_s: float | None
    progress: Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TunedNetwork:
    """The result.

    Attributes:
        network: The network.
        accuracy: The share of the validation pictures that it labels right, in float32.
        epochs: How often each picture was used.
    """

    network: Lite0Network
    accuracy: float
    epochs: int


@dataclass(frozen=True, slots=True)
class _BestState:
    """The weights with the lowest loss on the validation pictures, and their figures."""

    loss: float
    accuracy: float
    state: dict[str, Tensor]


class FineTuning:
    """A network in training."""

    def __init__(
        self, network: Lite0Network, data: TuningData, options: TuningOptions, checkpoint: TuningCheckpoint
    ) -> None:
        """Prepare the training, or continue a saved one.

        Args:
            network: The network with its initial weights.
            data: The pictures.
            options: How to train.
            checkpoint: Where the state is saved.
        """
        self._network: Lite0Network = network.to(memory_format=torch.channels_last)
        self._gradient = ParallelGradient(self._network, options.seed, options.flips)
        self._data, self._options, self._checkpoint = data, options, checkpoint
        head, kernels, others = network.split_parameters()
        self._optimizer = torch.optim.AdamW([
            {"params": head, "lr": _HEAD_RATE, "weight_decay": _DECAY, "highest": _HEAD_RATE},
            {"params": kernels, "lr": _BASE_RATE, "weight_decay": _DECAY, "highest": _BASE_RATE},
            {"params": others, "lr": _BASE_RATE, "weight_decay": 0.0, "highest": _BASE_RATE},
        ])  # fmt: skip
        self._step = 0
        self._best: _BestState | None = None
        self._epochs_since_best = 0
        self._schedule: TuningSchedule | None = None
        self._saved_s = time.monotonic()
        if (state := checkpoint.load()) is not None:
            self._restore(state)

    def run(self) -> TunedNetwork | None:
        """Train; return the network with the best weights, or None if the time is too short for it."""
        try:
            return self._train()
        finally:
            self._gradient.close()

    def _train(self) -> TunedNetwork | None:
        if self._schedule is None:
            self._schedule = self._plan()
        schedule = self._schedule
        if schedule is None:
            return None
        while self._step < schedule.steps and self._epochs_since_best < _PATIENCE and not self._is_time_over():
            started_s, side_px = time.monotonic(), schedule.choose_side_px(self._step)
            self._run_epoch(schedule)
            # Other work may slow the machine, or end: a cycle of another length still ends with a low learning rate.
            # The epochs that are left may have larger crops.
            epoch_s = (time.monotonic() - started_s) * (SIDE_PX / side_px) ** 2
            if (left_s := self._left_s()) is not None:
                schedule = schedule.adjust(self._step, int(left_s / epoch_s), plan_most(len(self._data.train)))
        if self._best is None:
            return None
        self._network.load_state_dict(self._best.state)
        self._network.eval()
        return TunedNetwork(self._network, self._best.accuracy, -(-self._step // schedule.steps_per_epoch))

    def _run_epoch(self, schedule: TuningSchedule) -> None:
        """Train on each picture once, or on the rest of a saved epoch, and measure the result."""
        epoch, first = divmod(self._step, schedule.steps_per_epoch)
        order = np.random.default_rng((self._options.seed, epoch)).permutation(len(self._data.train))
        step = f"fine-tuning, epoch {epoch + 1} of {schedule.epochs}"
        work = schedule.compute_work(schedule.steps, schedule.epochs)
        for batch in range(first, schedule.steps_per_epoch):
            if self._is_time_over():
                break
            self._train_batch(order[batch * BATCH : (batch + 1) * BATCH], schedule)
            self._step += 1
            self._options.progress(step, schedule.compute_work(self._step, epoch), work)
            if time.monotonic() - self._saved_s >= _SAVE_INTERVAL_S and batch + 1 < schedule.steps_per_epoch:
                self._save(schedule)
        loss, accuracy = self._measure()
        self._options.progress(step, schedule.compute_work(self._step, epoch + 1), work)
        is_low = schedule.compute_rate(self._step) < _LOW_RATE
        self._epochs_since_best = self._epochs_since_best + 1 if is_low else 0
        if self._best is None or loss < self._best.loss:
            copied = {name: values.clone() for name, values in self._network.state_dict().items()}
            self._best, self._epochs_since_best = _BestState(loss, accuracy, copied), 0
        self._save(schedule)

    def _train_batch(self, indexes: np.ndarray, schedule: TuningSchedule) -> None:
        rate, side_px = schedule.compute_rate(self._step), schedule.choose_side_px(self._step)
        for group in self._optimizer.param_groups:
            group["lr"] = group["highest"] * rate
        self._gradient.compute(self._data.train, self._data.train_targets, indexes, self._step, side_px)
        self._optimizer.step()

    def _measure(self) -> tuple[float, float]:
        """Return the mean cross-entropy and the accuracy on the validation pictures."""
        self._gradient.join_statistics()
        scores = self._gradient.score(self._data.validation)
        targets = torch.from_numpy(self._data.validation_targets.astype(np.int64))
        is_right = scores.argmax(dim=1) == targets
        return float(F.cross_entropy(scores, targets)), float(is_right.float().mean())

    def _plan(self) -> TuningSchedule | None:
        """Time some batches, whose results are discarded, and plan the epochs."""
        self._options.progress("measuring the speed", 0, 0)
        initial = {name: values.clone() for name, values in self._network.state_dict().items()}
        pictures = min(BATCH, len(self._data.train))
        times_s = []
        for _ in range(_TIMED_STEPS):
            started_s = time.monotonic()
            self._gradient.compute(self._data.train, self._data.train_targets, np.arange(pictures), 0, SIDE_PX)
            times_s.append(time.monotonic() - started_s)
        started_s = time.monotonic()
        self._measure()
        validation_s = time.monotonic() - started_s
        self._network.load_state_dict(initial)
        self._gradient.share_statistics()
        return plan_epochs(len(self._data.train), min(times_s), validation_s, self._left_s())

    def _left_s(self) -> float | None:
        return None if self._options.end_s is None else self._options.end_s - time.monotonic()

    def _is_time_over(self) -> bool:
        left_s = self._left_s()
        return left_s is not None and left_s <= 0

    def _save(self, schedule: TuningSchedule) -> None:
        self._saved_s = time.monotonic()
        self._gradient.join_statistics()
        self._checkpoint.save({
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "best": None if self._best is None else [self._best.loss, self._best.accuracy, self._best.state],
            "epochs_since_best": self._epochs_since_best,
            "schedule": [schedule.epochs, schedule.steps_per_epoch, schedule.validation_steps],
        })  # fmt: skip

    def _restore(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._gradient.share_statistics()
        self._optimizer.load_state_dict(state["optimizer"])
        self._step = int(state["step"])
        best = state["best"]
        self._best = None if best is None else _BestState(float(best[0]), float(best[1]), dict(best[2]))
        self._epochs_since_best = int(state["epochs_since_best"])
        self._schedule = TuningSchedule(*(int(value) for value in state["schedule"]))
