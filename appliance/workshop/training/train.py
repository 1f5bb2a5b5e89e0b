"""Training: a dataset and published models in, a bundle that knows the dataset's labels out, in seconds.

Of each base only the head is new: the base's features of every picture are computed (or remembered), the head is
fitted to them, and both become one .tflite (see network.py). Of several bases the best on the validation pictures
wins. The test pictures are never looked at.

The same pictures, bases and seed give the same bytes on the same machine and runtime, unless a budget cut the work
short; so `created` stands in the manifest only where SOURCE_DATE_EPOCH gives it.
"""

import datetime
import hashlib
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.bundle.identity import ModelIdentity
from appliance.errors import TrainingError
from appliance.workshop.datasets.dataset import RECOMMENDED_PICTURES
from appliance.workshop.training.base import open_base
from appliance.workshop.training.bundle_output import create_bundle
from appliance.workshop.training.candidate import Progress, TrainedCandidate, TrainingTimer, check_candidate, train_candidate
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.training_set import TrainingSet, build_training_set

# With latency counting, a faster base may be this much less accurate than the best.
LATENCY_TOLERANCE = 0.02
# Below this, measured: the gate lets up to a fourth of other pictures through.
FEW_PICTURES = 300


@dataclass(frozen=True, slots=True)
class TrainingRequest:
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
class TrainingResult:
    """What came of a training.

    Attributes:
        bundle: The new bundle.
        candidates: One a base, in the order given.
        chosen: The one that won.
        warnings: What the user should know, a sentence each.
        seconds: From start to end.
    """

    bundle: Bundle
    candidates: tuple[TrainedCandidate, ...]
    chosen: TrainedCandidate
    warnings: tuple[str, ...]
    seconds: float


def train(request: TrainingRequest, progress: Progress = lambda stage, done, total: None) -> TrainingResult:
    """Trains a bundle and puts it at request.out.

    Args:
        request: What is wanted.
        progress: Called with what is being done, and how much of it, now and then.

    Raises:
        DatasetError, BaseModelError, TrainingError: It cannot be done; nothing was written.
        RuntimeMissingError: No TFLite runtime works here.
    """
    started_s = time.monotonic()
    created = _created()
    with create_bundle(request.out) as folder:
        bases = [open_base(path) for path in request.bases]
        progress("sorting the pictures", 0, 0)
        pictures = build_training_set(request.dataset, request.validation, request.background, request.gs, request.seed)
        name = request.name or request.out.name.removesuffix(".zip")
        candidates, without = [], []
        for number, base in enumerate(bases):
            left_s = None if request.budget_s is None else max(0.0, started_s + request.budget_s - time.monotonic())
            # Each base has its share of what is left.
            deadline = TrainingTimer.start(None if left_s is None else left_s / (len(bases) - number))
            try:
                candidates.append(train_candidate(base, pictures, request.cache, deadline, request.seed, name, progress))
            except TrainingError as error:
                if request.budget_s is None:
                    raise
                without.append(f"{base.shown} was left out. {error}")
        if not candidates:
            raise TrainingError(" ".join(without))
        chosen = choose_candidate(candidates, request.optimize)
        progress("writing", 0, 0)
        _write(folder, chosen, pictures, name, request, created)
        check_candidate(chosen, read_bundle(folder))
    return TrainingResult(
        bundle=read_bundle(request.out),
        candidates=tuple(candidates),
        chosen=chosen,
        warnings=(*_warnings(pictures, chosen), *chosen.warnings, *without),
        seconds=time.monotonic() - started_s,
    )


def choose_candidate(candidates: Sequence[TrainedCandidate], optimize: Literal["accuracy", "latency"]) -> TrainedCandidate:
    """The candidate that wins; of equals the one named first."""
    best = max(candidates, key=lambda candidate: candidate.accuracy)
    if optimize == "accuracy":
        return best
    near = [candidate for candidate in candidates if candidate.accuracy >= best.accuracy - LATENCY_TOLERANCE]
    return min(near, key=lambda candidate: candidate.invoke_ms)


def _write(
    folder: Path,
    chosen: TrainedCandidate,
    pictures: TrainingSet,
    name: str,
    request: TrainingRequest,
    created: str | None,
) -> None:
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
        created=created,
    )
    write_bundle(bundle, folder)


def _created() -> str | None:
    """By https://reproducible-builds.org/specs/source-date-epoch/."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isdecimal():
        return None
    try:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        shown = epoch if len(epoch) <= 20 else f"{epoch[:20]}…"
        raise TrainingError(f"SOURCE_DATE_EPOCH is {shown}, too late for a date: give seconds since 1970.") from None


def _warnings(pictures: TrainingSet, chosen: TrainedCandidate) -> list[str]:
    said = []
    per_label = Counter(pictures.targets.tolist())
    small = [label for number, label in enumerate(pictures.labels) if per_label[number] < RECOMMENDED_PICTURES]
    if small:
        said.append(f"Fewer than {RECOMMENDED_PICTURES} pictures of {', '.join(small)}: more make better labels.")
    if chosen.counts["train"] < FEW_PICTURES and not pictures.background:
        said.append(
            f"With {chosen.counts['train']} training pictures the model may see its labels in pictures of something else: "
            f"give it some of those with --background, or {FEW_PICTURES} pictures and more."
        )
    if pictures.problems:
        said.append(f"{pictures.problems} files were not taken: `appliance dataset check` says why.")
    if pictures.unlabeled:
        said.append(f"{pictures.unlabeled} pictures have no label and were left aside.")
    return said
