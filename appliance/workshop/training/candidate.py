"""One base taught: its features of the pictures, the head fitted to them, and how good it is on the validation ones."""

import io
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.errors import BaseModelError, TrainingError
from appliance.imaging.files import read_picture
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.evaluation.threshold import ThresholdChoice, choose_validation_threshold
from appliance.workshop.training.base import Base
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.features import Features, extract_features
from appliance.workshop.training.head import fit_head
from appliance.workshop.training.tflite_head import write_model
from appliance.workshop.training.training_set import TrainingSet, require_enough

Progress = Callable[[str, int, int], None]

# Of the time for one base: looking at pictures ends here, so that the rest suffices for the fits.
_LOOKING, _FITTING = 0.7, 0.95
_CHECKED_PICTURES = 4
_CHECK_TOLERANCE = 1e-3
_TIMED_RUNS, _WARM_RUNS = 7, 1


@dataclass(frozen=True, slots=True)
class TrainedCandidate:
    """One base's result.

    Attributes:
        base: As it was named.
        accuracy: Share of the validation pictures (those of background left aside) whose best label is right (top-1).
        invoke_ms: Of the whole new model, median, one thread.
        strength: Of the regularisation that won.
        choice: The threshold and what it gives.
        model: The .tflite file.
        counts: Pictures of each kind: train, validation, test, background, unlabeled, unreadable, computed (not remembered).
        warnings: What the user should know, a sentence each.
        checked: Some validation pictures with the scores that the model must give.
    """

    base: str
    accuracy: float
    invoke_ms: float
    strength: float
    choice: ThresholdChoice
    model: bytes
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    checked: Sequence[tuple[Example, np.ndarray]]


@dataclass(frozen=True, slots=True)
class TrainingTimer:
    """Until when pictures are looked at, and heads fitted; on the monotonic clock, None: no limit."""

    looking_s: float | None = None
    fitting_s: float | None = None

    @classmethod
    def start(cls, seconds: float | None) -> "TrainingTimer":
        """The deadline of a trial that may take so long from now."""
        if seconds is None:
            return cls()
        now = time.monotonic()
        return cls(now + _LOOKING * seconds, now + _FITTING * seconds)

    def is_fitting_over(self) -> bool:
        """Whether fitting should come to an end."""
        return self.fitting_s is not None and time.monotonic() >= self.fitting_s


def train_candidate(
    base: Base,
    pictures: TrainingSet,
    cache: FeatureCache,
    deadline: TrainingTimer,
    seed: int,
    name: str,
    progress: Progress,
) -> TrainedCandidate:
    """Teaches one base.

    Args:
        base: What sees.
        pictures: What is to be learned, and chosen by.
        cache: Where features are remembered.
        deadline: When to stop.
        seed: Of every random choice.
        name: Of the bundle, written into the model.
        progress: Called with what is being done, and how much of it.

    Raises:
        TrainingError: Too few pictures could be read, or looked at in time.
        BaseModelError: What the base sees is not numbers.
        BundleError: The base does not run.
    """
    shown = Path(base.shown).name
    looking = f"looking at the pictures with {shown}"
    seen = extract_features(
        base, pictures.pictures, cache, lambda done, total: progress(looking, done, total), deadline.looking_s
    )
    targets, validates = pictures.targets[seen.kept], pictures.validates[seen.kept]
    require_enough(pictures, seen.kept, len(seen.unreadable), seen.left_out)
    if not np.isfinite(seen.values).all():
        raise BaseModelError(f"{base.shown} cannot serve as a base: it gives values that are not numbers.")
    progress(f"fitting the head of {shown}", 0, 0)
    judged = seen.values[validates], targets[validates]
    learned = seen.values[~validates], targets[~validates]
    head = fit_head(pictures.labels, learned, judged, pictures.background, seed, deadline.is_fitting_over)
    scores = head.score(judged[0])
    background = None if pictures.background is None else pictures.labels.index(pictures.background)
    strange = pictures.is_background[seen.kept]
    model = write_model(base, head, name)
    some = np.flatnonzero(validates)[:_CHECKED_PICTURES]
    return TrainedCandidate(
        base=base.shown,
        accuracy=float((scores.argmax(axis=1) == judged[1])[~strange[validates]].mean()),
        invoke_ms=_invoke_ms(model, base.shown),
        strength=head.strength,
        choice=choose_validation_threshold(scores, judged[1], background),
        model=model,
        counts=_counts(pictures, seen, strange, validates),
        warnings=_warnings(seen, base),
        checked=[(pictures.pictures[seen.kept[place]], scores[rank]) for rank, place in enumerate(some)],
    )


def check_candidate(candidate: TrainedCandidate, bundle: Bundle) -> None:
    """Labels a few pictures with a written bundle, as a device would.

    Raises:
        TrainingError: It does not give the scores it was fitted to give.
        BundleError: It cannot be loaded.
    """
    labeler = Labeler(bundle)
    for picture, expected in candidate.checked:
        scores = labeler.score(read_picture(io.BytesIO(picture.read_bytes()), picture.name))
        if not np.allclose(scores, expected, atol=_CHECK_TOLERANCE):
            raise TrainingError(
                f"{candidate.base} cannot serve as a base here: with its new head it gives other scores than it was "
                f"taught (on {picture.name} up to {np.abs(scores - expected).max():.3f} off)."
            )


def _invoke_ms(model: bytes, shown: str) -> float:
    loaded = LoadedModel(model, shown, "auto", 1)
    loaded.write(np.zeros(loaded.inputs[0].shape, loaded.inputs[0].dtype))
    times = []
    for _ in range(_WARM_RUNS + _TIMED_RUNS):
        before = time.perf_counter()
        loaded.invoke()
        times.append((time.perf_counter() - before) * 1000)
    return statistics.median(times[_WARM_RUNS:])


def _counts(pictures: TrainingSet, seen: Features, background: np.ndarray, validates: np.ndarray) -> dict[str, int]:
    return {
        "train": int((~validates & ~background).sum()),
        "validation": int((validates & ~background).sum()),
        "test": sum(pictures.tests.values()),
        "background": int(background.sum()),
        "unlabeled": pictures.unlabeled,
        "unreadable": len(seen.unreadable),
        "computed": seen.computed,
    }


def _warnings(seen: Features, base: Base) -> tuple[str, ...]:
    said = []
    if seen.unreadable:
        reasons = " ".join(reason for _, reason in seen.unreadable[:3])
        said.append(f"{len(seen.unreadable)} pictures could not be read and were left out. {reasons}")
    if seen.left_out:
        said.append(f"{seen.left_out} pictures were left out because the budget was used up ({base.shown}).")
    return tuple(said)
