"""Third stage: trains one network of one seed. One thread: two such processes are far faster than one of two threads."""

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from network import SIDE_PX, Network
from photos import STORED_PX, photos, plain
from places import LABELS, WORK
from prepare import Pictures, load
from torch import Tensor

BATCH, DECAY, KEPT = 32, 0.02, 0.998
SHARES = {"flowers": 0.58, "clothing": 0.18, "sign_digits": 0.09, "patterns": 0.07, "scenes": 0.08}
OF_TEACHER, SMOOTHING = 0.5, 0.03
# Of the guesses of the teacher's features, beside the labels' 1.
OF_POOLED, OF_LAST, OF_MIDDLE = 1.0, 1.0, 0.5

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Round:
    """From a warm start of the learning rate to its end.

    Attributes:
        samples: How many pictures are shown.
        rate: The highest learning rate.
        smaller_px: Up to these shares of the steps pictures are smaller, which costs half as much or less.
        all_copies: Flowers in all copies; else in those that the teacher has looked at.
        guessing: What the guesses of the teacher's features count, as a factor.
    """

    samples: int
    rate: float
    smaller_px: tuple[tuple[float, int], ...]
    all_copies: bool
    guessing: float


# The first round learns fast, from small pictures and all that the teacher says of them; the second goes on from there.
FIRST = Round(96_000, 2.5e-3, ((0.5, 80), (0.85, 96)), False, 1.0)
SECOND = Round(160_000, 2e-3, ((0.7, 96),), True, 0.5)


@dataclass(frozen=True, slots=True)
class Run:
    """What to train: `name` is the weights' file; `backgrounds` the sets that are shown as pictures without flowers."""

    name: str
    seed: int
    rounds: tuple[Round, ...]
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
    """Writes <name>.pt: the moving average of the weights at the end. Rounds that were finished before are not run again."""
    torch.set_num_threads(1)
    pictures, taught = load(), _taught()
    torch.manual_seed(run.seed)
    network = Network().to(memory_format=torch.channels_last)
    for number, part in enumerate(run.rounds, start=1):
        file = WORK / f"{run.name}.round{number}.pt"
        if not file.is_file():
            rng = np.random.default_rng(run.seed + 100 * (number - 1))
            average = _one_round(network, part, run, pictures, taught, rng, f"{run.name}, round {number}")
            torch.save(average.state_dict(), file)
        network.load_state_dict(torch.load(file))
        print(
            f"{run.name}, round {number}: {top_1(network.eval()):.3f} of flowers val named right, not yet quantised", flush=True
        )
        network.train()
    torch.save(network.state_dict(), WORK / f"{run.name}.pt")


def _one_round(
    network: Network, part: Round, run: Run, pictures: Pictures, taught: Taught, rng: np.random.Generator, shown: str
) -> Network:
    """Trains the network and gives the moving average of its weights."""
    average = copy.deepcopy(network).eval()
    decayed = [weights for weights in network.parameters() if weights.ndim > 1]
    others = [weights for weights in network.parameters() if weights.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups)
    steps = part.samples // BATCH
    row = np.zeros_like(taught.row) if part.all_copies else taught.row
    order = _order(pictures, run.backgrounds, steps * BATCH, row, rng)
    began_s, losses = time.monotonic(), []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = part.rate * min(1, (step + 1) / (0.06 * steps)) * 0.5 * (1 + np.cos(np.pi * step / steps))
        chosen = order[step * BATCH : (step + 1) * BATCH]
        cut = Cut(rng.integers(STORED_PX - SIDE_PX + 1, size=(BATCH, 2)), rng.random(BATCH) < 0.5)
        side_px = next((side_px for until, side_px in part.smaller_px if step < until * steps), SIDE_PX)
        outputs = network(_signal(pictures.pixels, chosen, cut, side_px))
        found = _losses(outputs, chosen, cut, pictures.label, taught)
        optimiser.zero_grad(set_to_none=True)
        (found[0] + part.guessing * sum(found[1:])).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        losses.append([value.item() for value in found])
        _follow(average, network, min(KEPT, (step + 1) / (step + 20)))
        if (step + 1) % 250 == 0:
            means = " ".join(f"{value:.3f}" for value in np.mean(losses[-250:], axis=0))
            print(f"{shown}: {step + 1} of {steps} steps, losses {means}, {time.monotonic() - began_s:.0f} s", flush=True)
    return average


@dataclass(frozen=True, slots=True)
class Cut:
    """Which square of each stored picture is shown: corner (n, 2) as y, x, and whether it is mirrored (n,)."""

    corner: Array
    mirrored: Array


def _losses(outputs: tuple[Tensor, ...], chosen: Array, cut: Cut, label: Array, taught: Taught) -> list[Tensor]:
    """Of the labels, the pooled features, the last layer and the middle one."""
    logits, pooled, last, middle = outputs
    hard = F.one_hot(torch.from_numpy(label[chosen]), len(LABELS) + 1).float()
    wanted = OF_TEACHER * taught.targets[chosen] + (1 - OF_TEACHER) * (hard * (1 - SMOOTHING) + SMOOTHING / hard.shape[1])
    known = np.flatnonzero(taught.row[chosen] >= 0)
    row = taught.row[chosen][known]
    return [
        F.cross_entropy(logits, wanted),
        OF_POOLED * F.mse_loss(pooled[known], taught.pooled[chosen][known]),
        OF_LAST * F.mse_loss(last[known], _seen_by(taught.last[row], cut, known, last.shape[2])),
        OF_MIDDLE * F.mse_loss(middle[known], _seen_by(taught.middle[row], cut, known, middle.shape[2])),
    ]


def _seen_by(values: Array, cut: Cut, known: Array, places: int) -> Tensor:
    """The teacher's layer at the places of the square that is shown, (n, channels, places, places)."""
    middles = (np.arange(places) + 0.5) / places * SIDE_PX
    rows = cut.corner[known, 0, None] + middles
    columns = cut.corner[known, 1, None] + np.where(cut.mirrored[known, None], SIDE_PX - middles, middles)
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


def _order(pictures: Pictures, backgrounds: tuple[str, ...], count: int, row: Array, rng: np.random.Generator) -> Array:
    """Which picture is seen when: each group has its share, and within it each picture comes round equally often.

    Of flowers only those whose `row` is not −1.
    """
    shares = {name: share for name, share in SHARES.items() if name not in ("clothing", "sign_digits") or name in backgrounds}
    left = count
    parts = []
    for name, share in shares.items():
        wanted = left if name == list(shares)[-1] else round(count * share / sum(shares.values()))
        left -= wanted
        members = np.flatnonzero(pictures.of(name) & ((row >= 0) | (name != "flowers")))
        rounds = [rng.permutation(members) for _ in range(wanted // len(members) + 1)]
        parts.append(np.concatenate(rounds)[:wanted])
    return rng.permutation(np.concatenate(parts))


def _signal(pixels: Array, chosen: Array, cut: Cut, side_px: int) -> Tensor:
    """The square of SIDE_PX that is cut out of each stored picture, shrunk to side_px; as the network takes it."""
    batch = np.empty((len(chosen), SIDE_PX, SIDE_PX, 3), np.uint8)
    for place, (index, (y, x)) in enumerate(zip(chosen, cut.corner, strict=True)):
        square = pixels[index, y : y + SIDE_PX, x : x + SIDE_PX]
        batch[place] = square[:, ::-1] if cut.mirrored[place] else square
    # A view with the channels moved is what channels_last means.
    signal = _centred(torch.from_numpy(batch).permute(0, 3, 1, 2).float())
    if side_px != SIDE_PX:
        signal = F.interpolate(signal, (side_px, side_px), mode="bilinear", align_corners=False)
    return signal.contiguous(memory_format=torch.channels_last)


def _centred(values: Tensor) -> Tensor:
    return (values - 128) / 128


@torch.no_grad()
def _follow(average: Network, network: Network, kept: float) -> None:
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - kept)
        else:
            slow.copy_(fast)
