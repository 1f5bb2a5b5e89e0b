"""Third stage: trains one network of one seed. One thread: two such processes are far faster than one of two threads.

What is told of a picture is half its label, half what the teachers make of it. Pictures are cut, covered and mixed anew
each time they are seen; mixing is what keeps the network silent about things it never saw (240,000 pictures with it: 2
of 18 such photographs labeled; without: 10). Convolutions are computed in bfloat16, twice as fast on processors with AMX.
"""

import copy
import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from network import SIDE_PX, Network
from photos import STORED_PX, photos, plain
from places import LABELS, OTHER_SETS, WORK
from prepare import Pictures, load
from torch import Tensor

BATCH, RATE, DECAY, KEPT = 64, 3e-3, 0.02, 0.998
SHARES = {"flowers": 0.55, "clothing": 0.22, "sign_digits": 0.09, "patterns": 0.07, "scenes": 0.07}
OF_TEACHER, SMOOTHING = 0.5, 0.03
# Of the guesses of the teacher's features, beside the labels' 1; they count less and less, down to this share.
OF_POOLED, OF_LAST, OF_MIDDLE = 1.0, 1.0, 0.5
GUESSES_AT_END = 0.3
# Up to these shares of the steps pictures are smaller, which costs about half as much. Things look larger in training's
# cuts than in whole pictures, so that the two come out alike.
SMALLER_PX = ((0.75, 96), (0.9, 112))
# A cut is at least this wide, of STORED_PX.
LEAST_CUT_PX = 104
MIXED_UP, PATCHED, COVERED = 0.2, 0.2, 0.15

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Run:
    """What to train: `name` is the weights' file; `backgrounds` the sets that are shown as pictures without flowers."""

    name: str
    seed: int
    samples: int
    backgrounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taught:
    """What the teacher says: targets (n, labels + 1), pooled (n, EMBEDDING); its layers by `row`, −1 where it did not look."""

    targets: Tensor
    pooled: Tensor
    row: Array
    last: Array
    middle: Array


def train(run: Run) -> None:
    """Writes <name>.pt: the moving average of the weights at the end."""
    torch.set_num_threads(1)
    pictures, taught = load(), _taught()
    torch.manual_seed(run.seed)
    rng = np.random.default_rng(run.seed)
    network = Network().to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval()
    decayed = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups)
    steps = run.samples // BATCH
    order = _order(pictures, run.backgrounds, steps * BATCH, rng)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / (0.05 * steps)) * 0.5 * (1 + np.cos(np.pi * step / steps))
        side_px = next((side_px for until, side_px in SMALLER_PX if step < until * steps), SIDE_PX)
        chosen = order[step * BATCH : (step + 1) * BATCH]
        cut = _cuts(rng)
        mix = _mix(rng, side_px)
        signal = _signal(pictures.pixels, chosen, cut, mix, side_px, rng)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = tuple(output.float() for output in network(signal))
        found = _losses(outputs, chosen, cut, mix, pictures.label, taught)
        optimiser.zero_grad(set_to_none=True)
        (found[0] + (1 - (1 - GUESSES_AT_END) * step / steps) * sum(found[1:])).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        losses.append([value.item() for value in found])
        _follow(average, network, min(KEPT, (step + 1) / (step + 20)))
        if (step + 1) % 500 == 0:
            means = " ".join(f"{value:.3f}" for value in np.mean(losses[-500:], axis=0))
            print(f"{run.name}: {step + 1} of {steps} steps, losses {means}, {time.process_time():.0f} s", flush=True)
        if (step + 1) % 2500 == 0:
            print(f"{run.name}: {top_1(average):.3f} of flowers val named right so far", flush=True)
    torch.save(average.state_dict(), WORK / f"{run.name}.pt")
    print(f"{run.name}: {top_1(average):.3f} of flowers val named right, not yet quantised", flush=True)


@dataclass(frozen=True, slots=True)
class Cut:
    """Which square of each stored picture is shown: corner (n, 2) as y, x, side (n,), and whether it is mirrored (n,)."""

    corner: Array
    side: Array
    mirrored: Array


def _cuts(rng: np.random.Generator) -> Cut:
    side = rng.integers(LEAST_CUT_PX, STORED_PX + 1, BATCH)
    corner = rng.integers(0, (STORED_PX - side + 1)[:, None], (BATCH, 2))
    return Cut(corner, side, rng.random(BATCH) < 0.5)


@dataclass(frozen=True, slots=True)
class Mix:
    """What of the batch's picture before it is in each picture: its share (n,), of all places or of a patch.

    patch: (n, 4) as y, x, height, width in pixels; empty where the share is of all places.
    """

    share: Array
    patch: Array


def _mix(rng: np.random.Generator, side_px: int) -> Mix:
    """Mixup and CutMix: in between two pictures, or with a part of another, the labels are in between as well."""
    share, patch = np.zeros(BATCH, np.float32), np.zeros((BATCH, 4), np.int64)
    for number, what in enumerate(rng.random(BATCH)):
        if what < MIXED_UP:
            share[number] = rng.beta(0.4, 0.4)
        elif what < MIXED_UP + PATCHED:
            height, width = rng.integers(side_px // 4, side_px * 3 // 4, 2)
            y, x = rng.integers(side_px - height + 1), rng.integers(side_px - width + 1)
            patch[number] = y, x, height, width
            share[number] = height * width / side_px**2
    return Mix(share, patch)


def _losses(
    outputs: tuple[Tensor, ...], chosen: Array, cut: Cut, mix: Mix, label: Array, taught: Taught
) -> list[Tensor]:
    """Of the labels, the pooled features, the last layer and the middle one; of mixed pictures of the labels alone."""
    logits, pooled, last, middle = outputs
    hard = F.one_hot(torch.from_numpy(label[chosen]), len(LABELS) + 1).float()
    wanted = OF_TEACHER * taught.targets[chosen] + (1 - OF_TEACHER) * (
        hard * (1 - SMOOTHING) + SMOOTHING / hard.shape[1]
    )
    wanted = wanted.lerp(wanted.roll(1, 0), torch.from_numpy(mix.share)[:, None])
    known = np.flatnonzero((taught.row[chosen] >= 0) & (mix.share == 0))
    row = taught.row[chosen][known]
    return [
        F.cross_entropy(logits, wanted),
        OF_POOLED * F.mse_loss(pooled[known], taught.pooled[chosen][known]),
        OF_LAST * F.mse_loss(last[known], _seen_by(taught.last[row], cut, known, last.shape[2])),
        OF_MIDDLE * F.mse_loss(middle[known], _seen_by(taught.middle[row], cut, known, middle.shape[2])),
    ]


def _seen_by(values: Array, cut: Cut, known: Array, places: int) -> Tensor:
    """The teacher's layer at the places of the square that is shown, (n, channels, places, places)."""
    middles = (np.arange(places) + 0.5) / places
    across = np.where(cut.mirrored[known, None], 1 - middles, middles)
    side = cut.side[known, None]
    rows, columns = cut.corner[known, 0, None] + middles * side, cut.corner[known, 1, None] + across * side
    grid = np.empty((len(known), places, places, 2), np.float32)
    grid[..., 0] = (columns / STORED_PX * 2 - 1)[:, None, :]
    grid[..., 1] = (rows / STORED_PX * 2 - 1)[:, :, None]
    layer = torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2)
    return F.grid_sample(layer, torch.from_numpy(grid), mode="bilinear", padding_mode="border", align_corners=False)


def _taught() -> Taught:
    targets, places = np.load(WORK / "targets.npz"), np.load(WORK / "places.npz")
    return Taught(
        torch.from_numpy(targets["targets"]),
        torch.from_numpy(targets["embedding"]),
        places["row"],
        places["last"],
        places["middle"],
    )


def top_1(network: Network) -> float:
    """The share of flowers val that is named right among the five."""
    right = []
    for label, _, pixels in photos("flowers", "val"):
        signal = _centred(torch.from_numpy(plain(pixels, SIDE_PX).transpose(2, 0, 1)[None].astype(np.float32)))
        with torch.no_grad():
            right.append(int(network(signal)[0][0, : len(LABELS)].argmax()) == LABELS.index(label))
    return float(np.mean(right))


def _order(pictures: Pictures, backgrounds: tuple[str, ...], count: int, rng: np.random.Generator) -> Array:
    """Which picture is seen when: each group has its share, and within it each picture comes round equally often."""
    shares = {name: share for name, share in SHARES.items() if name not in OTHER_SETS or name in backgrounds}
    left = count
    parts = []
    for name, share in shares.items():
        wanted = left if name == list(shares)[-1] else round(count * share / sum(shares.values()))
        left -= wanted
        members = np.flatnonzero(pictures.of(name))
        rounds = [rng.permutation(members) for _ in range(wanted // len(members) + 1)]
        parts.append(np.concatenate(rounds)[:wanted])
    return rng.permutation(np.concatenate(parts))


def _signal(pixels: Array, chosen: Array, cut: Cut, mix: Mix, side_px: int, rng: np.random.Generator) -> Tensor:
    """The cuts of the stored pictures, each in a little other light, some covered in part, some mixed; (n, 3, side, side)."""
    batch = np.empty((len(chosen), side_px, side_px, 3), np.float32)
    for number, index in enumerate(chosen):
        (y, x), side = cut.corner[number], cut.side[number]
        square = cv2.resize(
            pixels[index, y : y + side, x : x + side], (side_px, side_px), interpolation=cv2.INTER_LINEAR
        )
        batch[number] = square[:, ::-1] if cut.mirrored[number] else square
        if rng.random() < COVERED:
            height, width = rng.integers(side_px // 8, side_px // 2, 2)
            top, left = rng.integers(side_px - height + 1), rng.integers(side_px - width + 1)
            batch[number, top : top + height, left : left + width] = rng.uniform(0, 255, 3)
    batch *= rng.uniform(0.85, 1.15, (len(chosen), 1, 1, 1)).astype(np.float32)
    batch += rng.uniform(-15, 15, (len(chosen), 1, 1, 1)).astype(np.float32)
    batch = batch.clip(0, 255)
    before = np.roll(batch, 1, axis=0)
    for number in np.flatnonzero(mix.share):
        y, x, height, width = mix.patch[number]
        if height:
            batch[number, y : y + height, x : x + width] = before[number, y : y + height, x : x + width]
        else:
            batch[number] += (before[number] - batch[number]) * mix.share[number]
    # A view with the channels moved is what channels_last means.
    return _centred(torch.from_numpy(batch).permute(0, 3, 1, 2))


def _centred(values: Tensor) -> Tensor:
    return (values - 128) / 128


@torch.no_grad()
def _follow(average: Network, network: Network, kept: float) -> None:
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - kept)
        else:
            slow.copy_(fast)
