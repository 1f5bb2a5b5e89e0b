"""Compute the gradient of a batch in two threads, each with half of the pictures.

Two threads that meet once in a batch are faster than one whose every layer is divided between two processors: those
would meet several hundred times, and wait each time if other work delays one of them.
"""

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor

from appliance.workshop.training.feature_workers import count_workers
from appliance.workshop.training.finetune.augmentation import center, vary
from appliance.workshop.training.finetune.network import FEATURES, Lite0Network
from appliance.workshop.training.finetune.pixels import PixelFile

_PARTS = 2
_DROPOUT, _SMOOTHING = 0.2, 0.1
_MEASURED = 16
# The options of mallopt (glibc's malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


class ParallelGradient:
    """A network, and a replica of it for each other thread."""

    def __init__(self, network: Lite0Network, seed: int, flips: bool) -> None:
        """Prepare the threads.

        Args:
            network: The network; its gradients and its statistics are the result.
            seed: The seed of the variations and of the dropout.
            flips: Whether left and right may be exchanged.
        """
        workers = count_workers()
        torch.set_num_threads(max(1, workers // _PARTS))
        self._networks = [network, *(network.make_replica() for _ in range(_PARTS - 1))]
        self._seed, self._flips = seed, flips
        self._pool = ThreadPoolExecutor(min(_PARTS, workers), "gradient")

    def compute(self, pixels: PixelFile, targets: np.ndarray, indexes: np.ndarray, step: int, side_px: int) -> None:
        """Compute the gradient of a batch.

        Args:
            pixels: All pictures.
            targets: Their label indexes.
            indexes: The pictures of the batch.
            step: The number of the batch, for the seed.
            side_px: The side of the crops; a multiple of 32.
        """

        def compute_part(part: int) -> None:
            network, own = self._networks[part], indexes[part::_PARTS]
            network.train()
            network.zero_grad(set_to_none=True)
            if not len(own):
                return
            rng = np.random.default_rng((self._seed, 1, step, part))
            signal = vary(pixels.get(own), rng, self._flips, side_px).to(memory_format=torch.channels_last)
            kept = (rng.random((len(own), FEATURES)) >= _DROPOUT) / np.float32(1 - _DROPOUT)
            logits = network(signal, torch.from_numpy(kept.astype(np.float32)))
            answers = torch.from_numpy(targets[own].astype(np.int64))
            loss = F.cross_entropy(logits, answers, label_smoothing=_SMOOTHING, reduction="sum") / len(indexes)
            loss.backward()

        list(self._pool.map(compute_part, range(_PARTS)))
        first, *others = self._networks
        for other in others:
            for total, part in zip(first.parameters(), other.parameters(), strict=True):
                if total.grad is not None and part.grad is not None:
                    total.grad += part.grad

    def join_statistics(self) -> None:
        """Give all networks the mean of their statistics."""
        with torch.no_grad():
            for buffers in zip(*(network.buffers() for network in self._networks), strict=True):
                if buffers[0].is_floating_point():
                    mean = torch.stack(buffers).mean(dim=0)
                    for buffer in buffers:
                        buffer.copy_(mean)

    def share_statistics(self) -> None:
        """Give all networks the statistics of the first one, whose state was replaced."""
        first, *others = self._networks
        with torch.no_grad():
            for other in others:
                for own, given in zip(other.buffers(), first.buffers(), strict=True):
                    own.copy_(given)

    def score(self, pixels: PixelFile) -> Tensor:
        """Return the logits of whole pictures of the network's own side, (n, labels)."""
        network = self._networks[0]
        network.eval()

        def score_some(start: int) -> Tensor:
            some = np.arange(start, min(start + _MEASURED, len(pixels)))
            with torch.inference_mode():
                return network(center(pixels.get(some)).to(memory_format=torch.channels_last))

        return torch.cat(list(self._pool.map(score_some, range(0, len(pixels), _MEASURED))))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Let the process reuse the memory that it frees, instead of returning it to the system and asking again.

    A batch allocates and frees gigabytes; without this, a fifth of the time is spent in the system. Only glibc has
    these options.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    for option, value in ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
        mallopt(option, value)
    try:
        yield
    finally:
        for option, value in ((_MMAP_MAX, 65_536), (_TRIM_THRESHOLD, 2**17), (_TOP_PAD, 0)):
            mallopt(option, value)
        ctypes.CDLL(None).malloc_trim(0)
