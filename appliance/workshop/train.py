"""Training: a dataset and published models in, a bundle that knows the dataset's labels out, in seconds.

Of each base only the head is new: the base's features of every picture are computed (or remembered), the head is
fitted to them, and both become one .tflite (see network.py). Of several bases the best on the validation pictures
wins. The test pictures are never looked at.

The same pictures, bases and seed give the same bytes on the same machine and runtime, unless a budget cut the work
short; so `created` stands in the manifest only where SOURCE_DATE_EPOCH gives it.
"""

import datetime
import hashlib
import logging
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from appliance.errors import TrainingError
from appliance.labeling.bundle import Bundle, read_bundle, write_bundle
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.labeling.labels import ModelIdentity
from appliance.picture import read_picture
from appliance.workshop.base import Base, open_base
from appliance.workshop.bundle_folder import new_bundle
from appliance.workshop.dataset import RECOMMENDED_PICTURES
from appliance.workshop.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.features import extract
from appliance.workshop.head import Head, fit_head
from appliance.workshop.network import write_model
from appliance.workshop.threshold_choice import Choice, choose_threshold
from appliance.workshop.training_set import TrainingSet, gather, require_enough

log = logging.getLogger(__name__)

# With latency counting, a faster base may be this much less accurate than the best.
LATENCY_TOLERANCE = 0.02
# Below this, measured: the gate lets up to a fourth of other pictures through.
FEW_PICTURES = 300
_LOOKING, _FITTING = 0.7, 0.95  # of a base's share of the budget, until when
_CHECKED_PICTURES = 4
_CHECK_TOLERANCE = 1e-3

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be trained.

    Attributes:
        dataset: What is to be learned.
        bases: At least one; bundles or embedding extractors.
        out: A folder or a .zip.
        validation: Pictures to choose by; None: a part of the dataset.
        background: Pictures of none of the labels.
        budget_s: Time for all of it; None: as long as it takes.
        optimize: accuracy takes the base that is best; latency the fastest within LATENCY_TOLERANCE of it.
        seed: Of every random choice.
        name: Of the bundle; None: the name of `out`.
        version: By PEP 440; None: none.
        gs: Folders that stand for buckets.
        cache: Where features are remembered.
    """

    dataset: str | Path
    bases: Sequence[Path]
    out: Path
    validation: str | Path | None = None
    background: str | Path | None = None
    budget_s: float | None = None
    optimize: Literal["accuracy", "latency"] = "accuracy"
    seed: int = 0
    name: str | None = None
    version: str | None = None
    gs: Mapping[str, Path] = field(default_factory=dict)
    cache: FeatureCache = field(default_factory=lambda: FeatureCache(default_cache_file()))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One base's result.

    Attributes:
        base: As it was named.
        accuracy: Share of the validation pictures whose best label is right (top-1, background among the labels).
        invoke_ms: Of the whole new model, median, one thread.
        strength: Of the regularisation that won.
        choice: The threshold and what it gives.
        model: The .tflite file.
    """

    base: str
    accuracy: float
    invoke_ms: float
    strength: float
    choice: Choice
    model: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training.

    Attributes:
        bundle: The new bundle.
        candidates: One a base, in the order given.
        chosen: The one that won.
        pictures: How many of each kind: train, validation, test, background, unlabeled, unreadable, computed (not remembered).
        warnings: What the user should know, a sentence each.
        seconds: From start to end.
    """

    bundle: Bundle
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    pictures: Mapping[str, int]
    warnings: tuple[str, ...]
    seconds: float


def train(request: Request, progress: Progress = lambda stage, done, total: None) -> Outcome:
    """Trains a bundle and puts it at request.out.

    Args:
        request: What is wanted.
        progress: Called with what is being done, and how much of it, now and then.

    Raises:
        DatasetError, BaseModelError, TrainingError: It cannot be done; nothing was written.
        RuntimeMissingError: No TFLite runtime works here.
    """
    started_s = time.monotonic()
    with new_bundle(request.out) as folder:
        bases = [open_base(path) for path in request.bases]
        progress("sorting the pictures", 0, 0)
        pictures = gather(request.dataset, request.validation, request.background, request.gs, request.seed)
        name = request.name or request.out.name.removesuffix(".zip")
        trials = []
        for number, base in enumerate(bases):
            until = _Deadline(request.budget_s, started_s, len(bases) - number)
            trials.append(_Trial(base, pictures, request, until, name, progress))
        candidates = tuple(trial.candidate for trial in trials)
        chosen = choose(candidates, request.optimize)
        trial = trials[candidates.index(chosen)]
        progress("writing", 0, 0)
        _write(folder, chosen, pictures, name, request)
        trial.check(folder)
    return Outcome(
        bundle=read_bundle(request.out),
        candidates=candidates,
        chosen=chosen,
        pictures=trial.counts,
        warnings=(*_warnings(pictures, trial.counts), *trial.warnings),
        seconds=time.monotonic() - started_s,
    )


def choose(candidates: Sequence[Candidate], optimize: Literal["accuracy", "latency"]) -> Candidate:
    """The candidate that wins; of equals the one named first."""
    best = max(candidates, key=lambda candidate: candidate.accuracy)
    if optimize == "accuracy":
        return best
    near = [candidate for candidate in candidates if candidate.accuracy >= best.accuracy - LATENCY_TOLERANCE]
    return min(near, key=lambda candidate: candidate.invoke_ms)


class _Deadline:
    """A base's share of what is left of the budget."""

    def __init__(self, budget_s: float | None, started_s: float, bases_left: int):
        now = time.monotonic()
        share_s = None if budget_s is None else max(0.0, started_s + budget_s - now) / bases_left
        self.looking_s = None if share_s is None else now + _LOOKING * share_s
        self._fitting_s = None if share_s is None else now + _FITTING * share_s

    def enough(self) -> bool:
        """Whether fitting should come to an end."""
        return self._fitting_s is not None and time.monotonic() >= self._fitting_s


class _Trial:
    """One base taught: its candidate, and what was met on the way."""

    def __init__(
        self, base: Base, pictures: TrainingSet, request: Request, until: _Deadline, name: str, progress: Progress
    ):
        stage = f"looking at the pictures with {Path(base.shown).name}"
        seen = extract(base, pictures.pictures, request.cache, lambda done, total: progress(stage, done, total), until.looking_s)
        targets, validates = pictures.targets[seen.kept], pictures.validates[seen.kept]
        require_enough(pictures.labels, targets, validates, len(seen.unreadable), seen.left_out)
        progress(f"fitting the head of {Path(base.shown).name}", 0, 0)
        learned, judged = (seen.values[~validates], targets[~validates]), (seen.values[validates], targets[validates])
        self.head: Head = fit_head(pictures.labels, learned, judged, pictures.background, request.seed, until.enough)
        scores = self.head.scores(judged[0])
        background = None if pictures.background is None else pictures.labels.index(pictures.background)
        model = write_model(base, self.head, name)
        self.candidate = Candidate(
            base=base.shown,
            accuracy=float((scores.argmax(axis=1) == judged[1]).mean()),
            invoke_ms=_invoke_ms(model, base.shown),
            strength=self.head.strength,
            choice=choose_threshold(scores, judged[1], background),
            model=model,
        )
        is_background = targets == background
        self.counts = {
            "train": int((~validates & ~is_background).sum()),
            "validation": int((validates & ~is_background).sum()),
            "test": pictures.tests,
            "background": int(is_background.sum()),
            "unlabeled": pictures.unlabeled,
            "unreadable": len(seen.unreadable),
            "computed": seen.computed,
        }
        self.warnings = _unreadable(seen.unreadable) + _left_out(seen.left_out, base)
        places = np.flatnonzero(validates)[:_CHECKED_PICTURES]
        self._checked = [(pictures.pictures[seen.kept[place]], scores[rank]) for rank, place in enumerate(places)]

    def check(self, folder: Path) -> None:
        """Labels a few pictures with the written bundle, as a device would.

        Raises:
            TrainingError: It does not give the scores it was fitted to give.
        """
        import io

        labeler = Labeler(read_bundle(folder))
        for picture, expected in self._checked:
            scores = labeler.scores(read_picture(io.BytesIO(picture.read_bytes()), picture.name))
            if not np.allclose(scores, expected, atol=_CHECK_TOLERANCE):
                raise TrainingError(
                    f"{self.candidate.base} cannot serve as a base here: with its new head it gives other scores than it was "
                    f"taught (on {picture.name}: up to {np.abs(scores - expected).max():.3f} off)."
                )


def _invoke_ms(model: bytes, shown: str) -> float:
    loaded = LoadedModel(model, shown, "auto", 1)
    loaded.write(np.full(loaded.inputs[0].shape, 0, loaded.inputs[0].dtype))
    times = []
    for _ in range(12):
        before = time.perf_counter()
        loaded.invoke()
        times.append((time.perf_counter() - before) * 1000)
    return statistics.median(times[2:])


def _write(folder: Path, chosen: Candidate, pictures: TrainingSet, name: str, request: Request) -> None:
    model_file = folder / "model.tflite"
    model_file.write_bytes(chosen.model)
    sha256 = hashlib.sha256(chosen.model).hexdigest()
    bundle = Bundle(
        source=folder,
        model_file=model_file,
        labels=pictures.labels,
        identity=ModelIdentity(name, request.version or f"sha256:{sha256[:12]}", sha256),
        confidence_threshold=chosen.choice.threshold,
        background_label=pictures.background,
        created=_created(),
    )
    write_bundle(bundle, folder)


def _created() -> str | None:
    """By https://reproducible-builds.org/specs/source-date-epoch/."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdecimal():
        return None
    return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _warnings(pictures: TrainingSet, counts: Mapping[str, int]) -> list[str]:
    said = []
    per_label = Counter(pictures.targets.tolist())
    small = [label for number, label in enumerate(pictures.labels) if per_label[number] < RECOMMENDED_PICTURES]
    if small:
        said.append(f"Fewer than {RECOMMENDED_PICTURES} pictures of {', '.join(small)}: more would make better labels.")
    if counts["train"] < FEW_PICTURES and not pictures.background:
        said.append(
            f"With {counts['train']} training pictures the model may see its labels in pictures of something else: give it "
            f"some of those with --background, or {FEW_PICTURES} pictures and more."
        )
    if pictures.problems:
        said.append(f"{pictures.problems} files were not taken: `appliance dataset check` says why.")
    if pictures.unlabeled:
        said.append(f"{pictures.unlabeled} pictures have no label and were left aside.")
    return said


def _unreadable(unreadable: Sequence[tuple[str, str]]) -> list[str]:
    shown = "; ".join(reason for _, reason in unreadable[:3])
    return [f"{len(unreadable)} pictures could not be read and were left out: {shown}"] if unreadable else []


def _left_out(count: int, base: Base) -> list[str]:
    return [f"{count} pictures were left out because the budget was used up ({base.shown})."] if count else []
