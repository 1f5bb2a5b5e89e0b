"""Measure what the rejection of other subjects costs and prevents: scripts/bench-reject FIGURE [--data FOLDER]

    figures  each set with default settings, for each seed: recall at precision .95, the share of the pictures of the
             two other sets and of images/ that get a label there, and the calibration error; with the bank as shipped,
             with one source at a time left out of the bank, without the bank, and without any rejection
    small    10 and 30 pictures a label: recall and precision at the threshold that ships
    rare     a label with 12 pictures beside two with hundreds: its recall, and that of a softmax alone
    levels   each level of --reject: what is lost, and what gets a label
    curve    each limit that is compared: the measured cost, and what gets through

Heads are fitted to the train part of each set, with layers that are chosen as train chooses them, and measured on
another one (--part val; any FOLDER with SET/SET_PART.zip may be given with --measured). The features are computed once
and cached. The base is bundled:general. No picture of the measured part is used for a choice.
"""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.evaluation.metrics import compute_calibration
from appliance.workshop.evaluation.quality import build_predictions
from appliance.workshop.training.background_bank import BackgroundBank, load_bank
from appliance.workshop.training.base import Base, open_base
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.features import extract_features
from appliance.workshop.training.folds import FOLDS, assign_folds
from appliance.workshop.training.head import HeadFit, compute_softmax, fit_head
from appliance.workshop.training.head_input import HeadInput, fit_head_input
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.rejection import RejectLevel
from appliance.workshop.training.rows import JoinedRows
from appliance.workshop.training.stage_choice import MIN_VALIDATION, choose_default, choose_groups

ROOT = Path(__file__).resolve().parents[2]
SETS = ("flowers", "sign_digits", "clothing")
FLOWERS_IN_IMAGES = ("daisy", "dandelion", "roses", "sunflower", "tulips")
PRECISION = 0.95


class PictureSet:
    """The features of the pictures of a dataset, and the indexes of their labels."""

    def __init__(self, base: Base, source: Path):
        dataset = open_dataset(source)
        self.labels = dataset.labels
        seen = extract_features(base, dataset.examples, FeatureCache(default_cache_file(), 2 * 1024**3))
        self.values = seen.values.astype(np.float32)
        self.targets = np.array([dataset.labels.index(dataset.examples[index].label or "") for index in seen.kept])


@dataclasses.dataclass(frozen=True)
class Model:
    """A fitted head with its input."""

    fit: HeadFit
    head_input: HeadInput

    def score(self, features: np.ndarray) -> np.ndarray:
        return self.fit.head.score(self.head_input.convert(features))

    def score_plain(self, features: np.ndarray) -> np.ndarray:
        """Return the scores of the softmax of the labels alone."""
        head, x = self.fit.head, self.head_input.convert(features)
        count = len(head.labels)
        return compute_softmax(x @ head.weights[:count].T + head.intercepts[:count])


class Bench:
    """The data, and the models that are fitted to them."""

    def __init__(self, data: Path, measured: Path, part: str):
        self.base = open_base(Path("bundled:general"))
        self.bank = load_bank(self.base)
        self._data, self._measured, self._part = data, measured, part

    @cache  # noqa: B019 - the bench lives as long as the process
    def learned(self, name: str) -> PictureSet:
        return PictureSet(self.base, self._data / name / f"{name}_train.zip")

    @cache  # noqa: B019
    def judged(self, name: str) -> PictureSet:
        return PictureSet(self.base, self._measured / name / f"{name}_{self._part}.zip")

    @cache  # noqa: B019
    def images(self, has_flowers: bool) -> np.ndarray:
        """Return the pictures in images/, without those of flowers for a head for flowers."""

        class Picture:
            def __init__(self, path: Path):
                self.name, self.read_bytes = path.name, path.read_bytes

        paths = sorted((self._data / "images").iterdir())
        chosen = [p for p in paths if has_flowers or not any(word in p.name for word in FLOWERS_IN_IMAGES)]
        return extract_features(self.base, [Picture(path) for path in chosen], FeatureCache(None)).values

    def fit(
        self,
        name: str,
        seed: int,
        bank: BackgroundBank | None,
        level: RejectLevel = RejectLevel.STANDARD,
        rows: np.ndarray | None = None,
        labels: Sequence[int] | None = None,
    ) -> Model:
        """Fit a head as train does, to some rows of a set."""
        learned = self.learned(name)
        rows = np.random.default_rng(seed).permutation(len(learned.targets)) if rows is None else rows
        values, targets = learned.values[rows], learned.targets[rows]
        names = learned.labels if labels is None else tuple(learned.labels[label] for label in labels)
        if labels is not None:
            targets = np.array([list(labels).index(target) for target in targets])
        head_input = choose_input(self.base, values, targets, bank)
        task = HeadTask(
            names, None, head_input.convert(values), targets, np.arange(len(rows)), np.zeros(len(rows), bool),
            None if bank is None else BankRows(head_input.convert(bank.features), bank.sources, bank.kinds),
        )  # fmt: skip
        return Model(fit_head(task, seed, level), head_input)


def choose_input(base: Base, values: np.ndarray, targets: np.ndarray, bank: BackgroundBank | None) -> HeadInput:
    """Choose the layers and standardize the features, as train does for a dataset without validation pictures."""
    is_held_out = assign_folds(targets, np.arange(len(targets)), 0) < FOLDS // 5
    rest = values[~is_held_out]
    whole = fit_head_input(base.groups, rest if bank is None else JoinedRows(rest, bank.features))
    if is_held_out.sum() < MIN_VALIDATION:
        return whole.choose(choose_default(base.groups))
    is_label = targets[:, np.newaxis] == np.unique(targets)
    parts = [(values[chosen], is_label[chosen]) for chosen in (~is_held_out, is_held_out)]
    return whole.choose(choose_groups(whole, parts[0], parts[1]))


def find_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the lowest score at which PRECISION of all given labels are right; 1 if there is none."""
    is_own = (targets[:, np.newaxis] == np.arange(scores.shape[1])).ravel()
    order = np.argsort(-scores.ravel(), kind="stable")
    given = scores.ravel()[order]
    right = np.cumsum(is_own[order])
    precise = np.flatnonzero(
        (right >= PRECISION * np.arange(1, len(order) + 1)) & np.append(given[1:] != given[:-1], True)
    )
    return float(given[precise[-1]]) if len(precise) else 1.0


def count_at(scores: np.ndarray, targets: np.ndarray, threshold: float) -> tuple[float, float]:
    """Return recall and precision of all labels together."""
    own = scores[np.arange(len(targets)), targets]
    given, right = int((scores >= threshold).sum()), int((own >= threshold).sum())
    return right / len(targets), right / max(given, 1)


def measure_calibration(labels: tuple[str, ...], scores: np.ndarray, targets: np.ndarray) -> float:
    return compute_calibration(build_predictions(labels, scores, targets, None)).error or 0.0


def print_row(bench: Bench, name: str, model: Model, way: str, plain: bool = False) -> None:
    judged = bench.judged(name)
    score = model.score_plain if plain else model.score
    scores = score(judged.values)
    threshold = find_threshold(scores, judged.targets)
    recall, _ = count_at(scores, judged.targets, threshold)
    others = [f"{(score(bench.judged(o).values).max(axis=1) >= threshold).mean():6.1%} {o}" for o in SETS if o != name]
    images = score(bench.images(name != "flowers")).max(axis=1) >= threshold
    error = measure_calibration(judged.labels, scores, judged.targets)
    accuracy = (scores.argmax(axis=1) == judged.targets).mean()
    print(
        f"  {way:24} recall {recall:.3f}, labels on {', '.join(others)}, images {images.sum()} of {len(images)}; "
        f"calibration error {error:.3f}; top-1 {accuracy:.3f}",
        flush=True,
    )


def measure_figures(bench: Bench, seeds: int) -> None:
    for name in SETS:
        print(f"{name}: at the threshold with precision {PRECISION} on {len(bench.judged(name).targets)} pictures")
        for seed in range(seeds):
            shipped = bench.fit(name, seed, bench.bank)
            print_row(bench, name, shipped, f"seed {seed}, as shipped")
            print_row(bench, name, shipped, f"seed {seed}, softmax alone", plain=True)
            print(f"    {shipped.fit.rejection.cost.describe()}")
        if bench.bank is not None:
            for source in bench.bank.source_names:
                if source != name:
                    print_row(bench, name, bench.fit(name, 0, bench.bank.without(source)), f"bank without {source}")
        print_row(bench, name, bench.fit(name, 0, None), "no bank, gate alone")


def measure_small(bench: Bench, seeds: int) -> None:
    for each in (10, 30):
        for name in SETS:
            for seed in range(seeds):
                targets = bench.learned(name).targets
                random = np.random.default_rng(seed)
                rows = np.concatenate(
                    [random.permutation(np.flatnonzero(targets == label))[:each] for label in np.unique(targets)]
                )
                model = bench.fit(name, seed, bench.bank, rows=random.permutation(rows))
                judged, choice = bench.judged(name), model.fit.rejection.choice
                scores = model.score(judged.values)
                recall, precision = count_at(scores, judged.targets, choice.threshold)
                error = measure_calibration(judged.labels, scores, judged.targets)
                others = [bench.judged(other) for other in SETS if other != name]
                shares = [f"{(model.score(o.values).max(axis=1) >= choice.threshold).mean():.1%}" for o in others]
                print(
                    f"{name}, {each} a label, seed {seed}: recall {recall:.3f}, precision {precision:.3f} at "
                    f"{choice.threshold:.2f}; labels on the other sets {', '.join(shares)}; calibration error "
                    f"{error:.3f}; {choice.promise}",
                    flush=True,
                )


def measure_rare(bench: Bench, seeds: int) -> None:
    learned, judged = bench.learned("clothing"), bench.judged("clothing")
    shown = [learned.labels.index(label) for label in ("pants", "t_shirt", "shoes")]
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        rows = np.concatenate(
            [np.flatnonzero(np.isin(learned.targets, shown[:2])),
             random.permutation(np.flatnonzero(learned.targets == shown[2]))[:12]]
        )  # fmt: skip
        model = bench.fit("clothing", seed, bench.bank, rows=random.permutation(rows), labels=shown)
        pictures = judged.values[np.isin(judged.targets, shown)]
        targets = np.array([shown.index(target) for target in judged.targets[np.isin(judged.targets, shown)]])
        recalls = []
        for scores in (model.score(pictures), model.score_plain(pictures)):
            threshold = find_threshold(scores, targets)
            is_rare = targets == 2
            named = (scores[is_rare].argmax(axis=1) == 2).mean()
            at_shipped = (scores[is_rare, 2] >= model.fit.rejection.choice.threshold).mean()
            recalls.append(f"{at_shipped:.2f} (at precision .95: {(scores[is_rare, 2] >= threshold).mean():.2f}, "
                           f"best label: {named:.2f})")  # fmt: skip
        print(
            f"12 shoes beside {len(rows) - 12} clothes, seed {seed}: recall of shoes at the shipped threshold "
            f"{model.fit.rejection.choice.threshold:.2f}: {recalls[0]}; softmax alone {recalls[1]}",
            flush=True,
        )


def measure_levels(bench: Bench, _: int) -> None:
    for name in SETS:
        print(name)
        for level in RejectLevel:
            model = bench.fit(name, 0, bench.bank, level)
            print_row(bench, name, model, f"--reject {level.value}")
            print(f"    {model.fit.rejection.cost.describe()}")


def measure_curve(bench: Bench, _: int) -> None:
    for name in SETS:
        model = bench.fit(name, 0, bench.bank)
        print(f"{name}: share accepted by the limit, genuine pictures lost, recall at the threshold, others labeled")
        for quantile, lost, recall, passed in model.fit.rejection.cost.curve:
            shown = "none" if quantile is None else f"{quantile:.3f}"
            print(f"  {shown:>5}  {lost:6.1%}  {recall:.3f}  {passed or 0:6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-reject", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = {
        "figures": measure_figures, "small": measure_small, "rare": measure_rare, "levels": measure_levels,
        "curve": measure_curve,
    }  # fmt: skip
    parser.add_argument("figure", choices=figures)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"
    )
    parser.add_argument("--measured", type=Path, help="the folder with the measured part (default: --data)")
    parser.add_argument("--part", default="val")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    bench = Bench(arguments.data, arguments.measured or arguments.data, arguments.part)
    figures[arguments.figure](bench, arguments.seeds)


if __name__ == "__main__":
    main()
