"""The background bank: features of varied pictures that a head learns to reject, shipped with the general labeler.

A softmax must prefer one of its labels for every picture, so a few hundred pictures of other things improve it more
than any limit on distances: what they show, and what resembles it, gets no label any more (figures in
docs/performance.md). The bank contains features only, no pictures, and fits only the base that computed them.
`scripts/make-general background` makes it; appliance/bundled/general/BACKGROUND.md names its sources and their
licenses.

The bank must not make a model reject what the user teaches, so rows and whole kinds that resemble the user's pictures
are left out: rows at least as near to one of them as a fourth of the user's pictures are to their nearest neighbors.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.errors import TrainingError
from appliance.system.shipped import find_shipped
from appliance.workshop.training.base import Base

FILE = "background.npz"
# A kind of which this share resembles the user's pictures is left out as a whole.
_RESEMBLING_KIND = 1 / 3
_NEAR_QUANTILE = 0.25
# The cosine from which a row resembles a picture if no two recordings show how similar the user's pictures are.
_DEFAULT_NEAR = 0.5
_COMPARED_ROWS = 1500


@dataclass(frozen=True, slots=True)
class BackgroundBank:
    """Features of pictures of other things.

    Attributes:
        features: (rows, features of the base) float32.
        sources: (rows,) int, the source of each row; a source is a whole dataset or way to draw.
        kinds: (rows,) int, the kind of thing that each row shows.
        source_names: The names of the sources.
        kind_names: The names of the kinds.
    """

    features: np.ndarray
    sources: np.ndarray
    kinds: np.ndarray
    source_names: tuple[str, ...]
    kind_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def without(self, source: str) -> "BackgroundBank":
        """Return the bank without one source, to measure what it does not contain."""
        kept = self.sources != self.source_names.index(source)
        return BackgroundBank(
            self.features[kept], self.sources[kept], self.kinds[kept], self.source_names, self.kind_names
        )


def load_bank(base: Base) -> BackgroundBank | None:
    """Return the bank of the general labeler; None if the base computes other features.

    Raises:
        TrainingError: The file is damaged.
    """
    return read_bank(find_shipped("general") / FILE, base)


def read_bank(file: Path, base: Base) -> BackgroundBank | None:
    """Read a bank; None if there is none, or if another base computed it.

    Raises:
        TrainingError: The file is damaged.
    """
    try:
        # Opened here, because numpy leaves a damaged file open.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            if str(stored["base"]) != base.sha256 or stored["rows"].shape[1] != base.size:
                return None
            features = stored["low"] + stored["rows"].astype(np.float32) * stored["step"]
            names = [tuple(str(name) for name in stored[key]) for key in ("source_names", "kind_names")]
            sources, kinds = (stored[key].astype(np.intp) for key in ("sources", "kinds"))
            return BackgroundBank(features, sources, kinds, names[0], names[1])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{file} is damaged ({error}); install the program again") from error


def write_bank(file: Path, bank: BackgroundBank, base: Base) -> None:
    """Write a bank, each feature in 8 bits between its lowest and its highest value.

    Args:
        file: The .npz to write.
        bank: The bank.
        base: The base that computed the features.
    """
    low = bank.features.min(axis=0)
    step = np.maximum((bank.features.max(axis=0) - low) / 255, 1e-9).astype(np.float32)
    np.savez_compressed(
        file,
        rows=np.round((bank.features - low) / step).astype(np.uint8),
        low=low.astype(np.float32),
        step=step,
        sources=bank.sources.astype(np.uint8),
        kinds=bank.kinds.astype(np.uint8),
        source_names=np.array(bank.source_names),
        kind_names=np.array(bank.kind_names),
        base=np.array(base.sha256),
    )


def find_unlike(
    pictures: np.ndarray, targets: np.ndarray, groups: np.ndarray, others: np.ndarray, kinds: np.ndarray
) -> np.ndarray:
    """Return which rows of a bank resemble none of the user's pictures, (rows,) bool.

    Args:
        pictures: (pictures, axes) the coordinates of the user's pictures.
        targets: (pictures,) the index of the label of each; few pictures of a label are less similar to each other.
        groups: (pictures,) the recording of each; pictures of one recording do not show how similar pictures are.
        others: (rows, axes) the coordinates of the bank.
        kinds: (rows,) the kind of each row.
    """
    sample = sample_labels(targets, _COMPARED_ROWS)
    center = (pictures.mean(axis=0) + others.mean(axis=0)) / 2
    own, rows = _normalize(pictures[sample] - center), _normalize(others - center)
    cosines = own @ own.T
    cosines[groups[sample][:, np.newaxis] == groups[sample]] = -1
    nearest = cosines.max(axis=1)
    limits = np.full(len(sample), _DEFAULT_NEAR)
    for label in np.unique(targets[sample]):
        is_own = targets[sample] == label
        known = nearest[is_own & (nearest > -1)]
        if len(known):
            limits[is_own] = np.quantile(known, _NEAR_QUANTILE)
    resembles = (rows @ own.T >= limits).any(axis=1)
    for kind in np.unique(kinds):
        if resembles[kinds == kind].mean() > _RESEMBLING_KIND:
            resembles[kinds == kind] = True
    unlike: np.ndarray = ~resembles
    return unlike


def sample_labels(targets: np.ndarray, count: int) -> np.ndarray:
    """Return the indexes of about `count` pictures at most: all of rare labels, the first ones of frequent labels."""
    most = max(1, count // max(len(np.unique(targets)), 1))
    return np.concatenate([np.flatnonzero(targets == label)[:most] for label in np.unique(targets)])


def _normalize(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
