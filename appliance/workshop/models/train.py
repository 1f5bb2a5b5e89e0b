"""Run the third stage: train one network with one seed on one thread; two processes are far faster than two threads.

A picture's target is the average of its label and the teachers' soft target. Convolutions are computed in bfloat16,
which is twice as fast on processors with AMX.
"""

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from appliance.workshop.models.augmentation import stretch
from appliance.workshop.models.batches import (
    BATCH,
    Mixture,
    Squares,
    choose_mixture,
    choose_squares,
    compute_sampling_grid,
    plan_order,
    render_batch,
)
from appliance.workshop.models.network import SIDE_PX, Network, center
from appliance.workshop.models.paths import LABELS, WORK
from appliance.workshop.models.photographs import read_photographs
from appliance.workshop.models.prepare import load_pictures
from appliance.workshop.models.runs import TrainingRun

RATE, DECAY, KEPT = 3e-3, 0.02, 0.998
TEACHER_SHARE, SMOOTHING = 0.5, 0.03
# The weights of the losses of predicted features; that of the labels is 1. They shrink during training, to
# GUESSES_AT_END of these values.
POOLED_WEIGHT, LAST_WEIGHT, MIDDLE_WEIGHT = 1.0, 1.0, 0.5
GUESSES_AT_END = 0.3
# Up to these shares of the steps, pictures are smaller, which halves the cost. Objects look larger in the squares used
# for training than in whole pictures, so the two effects cancel out.
SMALLER_PX = ((0.75, 96), (0.9, 112))


@dataclass(frozen=True, slots=True)
class Lessons:
    """The targets from the teachers.

    Attributes:
        targets: (n, labels + 1).
        pooled: (n, EMBEDDING).
        row: (n,) the row of each picture in `last` and `middle`, −1 for pictures without teachers' features.
        last: (rows, LAST_SIDE, LAST_SIDE, LAST) float16.
        middle: (rows, MIDDLE_SIDE, MIDDLE_SIDE, MIDDLE) float16.
    """

    targets: Tensor
    pooled: Tensor
    row: np.ndarray
    last: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True, slots=True)
class Batch:
    """The pictures of one step: their indices, squares, and mixture."""

    chosen: np.ndarray
    squares: Squares
    mixture: Mixture


def train(run: TrainingRun) -> None:
    """Train a network and write <name>.pt: the moving average of the weights at the end."""
    torch.set_num_threads(1)
    pictures, lessons = load_pictures(), _load_lessons()
    torch.manual_seed(run.seed)
    rng = np.random.default_rng(run.seed)
    network = Network().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    optimizer = _make_optimizer(network)
    steps = run.samples // BATCH
    order = plan_order(pictures, run.backgrounds, steps * BATCH, rng)
    history: list[list[float]] = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _compute_rate(step, steps)
        side_px = next((side_px for until, side_px in SMALLER_PX if step < until * steps), SIDE_PX)
        chosen = order[step * BATCH : (step + 1) * BATCH]
        batch = Batch(chosen, choose_squares(rng), choose_mixture(rng, side_px))
        rendered = render_batch(pictures.pixels[chosen], batch.squares, batch.mixture, side_px, rng)
        # A view with moved channels has the memory format channels_last.
        signal = center(torch.from_numpy(rendered).permute(0, 3, 1, 2))
        with torch.autocast("cpu", torch.bfloat16):
            outputs = tuple(output.float() for output in network(signal))
        losses = _compute_losses(outputs, batch, pictures.label, lessons)
        optimizer.zero_grad(set_to_none=True)
        (losses[0] + (1 - (1 - GUESSES_AT_END) * step / steps) * sum(losses[1:])).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        history.append([loss.item() for loss in losses])
        _update_average(average, network, min(KEPT, (step + 1) / (step + 20)))
        _print_progress(run.name, step + 1, steps, history, average)
    torch.save(average.state_dict(), WORK / f"{run.name}.pt")
    print(f"{run.name}: top-1 on flowers val {measure_top_1(average):.3f}, not quantized yet", flush=True)


def _print_progress(name: str, done: int, steps: int, history: list[list[float]], average: Network) -> None:
    if done % 500 == 0:
        means = " ".join(f"{value:.3f}" for value in np.mean(history[-500:], axis=0))
        print(f"{name}: {done} of {steps} steps, losses {means}, {time.process_time():.0f} s", flush=True)
    if done % 2500 == 0:
        print(f"{name}: top-1 on flowers val so far {measure_top_1(average):.3f}", flush=True)


def measure_top_1(network: Network) -> float:
    """Measure the share of flowers val whose label has the highest of the five logits."""
    right = []
    for photograph in read_photographs("flowers", "val"):
        picture = stretch(photograph.pixels, SIDE_PX).transpose(2, 0, 1)[None]
        with torch.no_grad():
            logits = network(center(torch.from_numpy(picture.astype(np.float32))))[0]
        right.append(int(logits[0, : len(LABELS)].argmax()) == LABELS.index(photograph.label))
    return float(np.mean(right))


def _load_lessons() -> Lessons:
    targets, layers = np.load(WORK / "targets.npz"), np.load(WORK / "places.npz")
    return Lessons(
        torch.from_numpy(targets["targets"]),
        torch.from_numpy(targets["embedding"]),
        layers["row"],
        layers["last"],
        layers["middle"],
    )


def _make_optimizer(network: Network) -> torch.optim.AdamW:
    """Create AdamW with weight decay for matrices and kernels only."""
    decayed = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim <= 1]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}])


def _compute_rate(step: int, steps: int) -> float:
    """Compute the learning rate: a short warm-up, then a cosine decay to 0."""
    return float(RATE * min(1, (step + 1) / (0.05 * steps)) * 0.5 * (1 + np.cos(np.pi * step / steps)))


def _compute_losses(outputs: tuple[Tensor, ...], batch: Batch, label: np.ndarray, lessons: Lessons) -> list[Tensor]:
    """Compute the losses of labels, pooled features, and both layers; mixed pictures count only for labels."""
    logits, pooled, last, middle = outputs
    chosen, share = batch.chosen, batch.mixture.share
    hard = F.one_hot(torch.from_numpy(label[chosen]), len(LABELS) + 1).float()
    smooth = hard * (1 - SMOOTHING) + SMOOTHING / hard.shape[1]
    wanted = TEACHER_SHARE * lessons.targets[chosen] + (1 - TEACHER_SHARE) * smooth
    wanted = wanted.lerp(wanted.roll(1, 0), torch.from_numpy(share)[:, None])
    known = np.flatnonzero((lessons.row[chosen] >= 0) & (share == 0))
    row = lessons.row[chosen][known]
    return [
        F.cross_entropy(logits, wanted),
        POOLED_WEIGHT * F.mse_loss(pooled[known], lessons.pooled[chosen][known]),
        LAST_WEIGHT * F.mse_loss(last[known], _sample_layer(lessons.last[row], batch.squares, known, last.shape[2])),
        MIDDLE_WEIGHT
        * F.mse_loss(middle[known], _sample_layer(lessons.middle[row], batch.squares, known, middle.shape[2])),
    ]


def _sample_layer(values: np.ndarray, squares: Squares, known: np.ndarray, positions: int) -> Tensor:
    """Sample a teacher's layer at the positions of the squares, (n, channels, positions, positions)."""
    grid = torch.from_numpy(compute_sampling_grid(squares, known, positions))
    layer = torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)
    return F.grid_sample(layer, grid, mode="bilinear", padding_mode="border", align_corners=False)


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is not installed for type checks
def _update_average(average: Network, network: Network, kept: float) -> None:
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - kept)
        else:
            slow.copy_(fast)
