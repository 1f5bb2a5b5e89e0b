"""Measure the training figures in the manual: scripts/bench-train FIGURE [--data FOLDER]

    stages      train on each set with bundled:general: accuracy, the chosen layers, time per invoke ÷ the base's
    time        train on 1,000 flowers pictures, and on all of them: seconds, CPU seconds, peak memory
    accuracy    the top-1 accuracy on the flowers validation pictures, for several bases and the published AutoML export
    background  the share of pictures of something else that get a label from the heads for flowers and for clothing
    near        leave one label out of the training: the share of its pictures that get one of the other labels
    latency     the time per invoke of a trained model and of its base
    small       train with 10 labels of 10 pictures each

The data are the published models and pictures of the tests (APPLIANCE_TEST_DATA). No parameters are tuned here, and no
picture of a test split is read.
"""

import argparse
import dataclasses
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle, read_unlabeled_model
from appliance.imaging.files import read_picture
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.training.background_bank import load_bank
from appliance.workshop.training.base import Base, open_base
from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
from appliance.workshop.training.features import extract_features
from appliance.workshop.training.head import ClassifierHead, fit_head
from appliance.workshop.training.head_input import HeadInput, fit_head_input
from appliance.workshop.training.head_task import BankRows, HeadTask
from appliance.workshop.training.rows import JoinedRows
from appliance.workshop.training.stage_choice import choose_groups
from appliance.workshop.training.train import TrainingRequest, train_bundle

ROOT = Path(__file__).resolve().parents[2]

EXTRACTOR = "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
BASES = (EXTRACTOR, "tf2_mobilenet_v2_1.0_224_ptq.tflite", "mobilenet_v2_1.0_224_quant.tflite", "automl_mlkit_android")
FLOWERS_IN_IMAGES = ("daisy", "dandelion", "roses", "sunflower", "tulips")
RECALL = 0.85


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = {
        "stages": measure_stages, "time": measure_time, "accuracy": measure_accuracy,
        "background": measure_background, "near": measure_near,
        "latency": measure_latency, "small": measure_small,
    }  # fmt: skip
    parser.add_argument("figure", choices=figures)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"
    )
    parser.add_argument(
        "--base", default="bundled:general", help="bundled:NAME, or a model of the tests; not for accuracy"
    )
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    figures[arguments.figure](arguments.data, arguments.base)


# stages: run the training with default settings


def measure_stages(data: Path, base_name: str) -> None:
    base = locate_base(data, base_name)
    own = open_model(base)
    for name in ("flowers", "sign_digits", "clothing"):
        with tempfile.TemporaryDirectory() as folder:
            request = TrainingRequest(
                dataset=data / name / f"{name}_train.zip",
                bases=[base],
                out=Path(folder) / "out",
                validation=data / name / f"{name}_val.zip",
            )
            began = time.monotonic()
            chosen = train_bundle(request).chosen
            seconds = time.monotonic() - began
            old, new = time_invokes(own, LoadedModel(chosen.model, name, "auto", 1))
            print(f"{name}: accuracy {chosen.accuracy:.3f} on val with {', '.join(chosen.layers)};")
            print(f"  {new:.2f} ms per invoke, {new / old:.3f} times the base; trained in {seconds:.0f} s", flush=True)


def locate_base(data: Path, name: str) -> Path:
    return Path(name) if name.startswith("bundled:") else data / "models" / name


def open_model(path: Path) -> LoadedModel:
    content, _ = read_unlabeled_model(path)
    return LoadedModel(content, str(path), "auto", 1)


def time_invokes(*models: LoadedModel) -> list[float]:
    """Return the median processor time of an invoke of each model, in ms, measured in turn."""
    random = np.random.default_rng(0)
    for model in models:
        picture = model.inputs[0]
        values = random.integers(0, 255, picture.shape) if picture.dtype != np.float32 else random.random(picture.shape)
        model.write(values.astype(picture.dtype))
    times: list[list[float]] = [[] for _ in models]
    for _ in range(220):
        for model, measured in zip(models, times, strict=True):
            before = time.thread_time()
            model.invoke()
            measured.append((time.thread_time() - before) * 1000)
    return [statistics.median(measured[20:]) for measured in times]


# time, small: run the command in a separate process with an empty cache


def run_train(*arguments: object) -> tuple[float, float, float, str]:
    """Run the command; return its seconds, CPU seconds, peak memory in MB, and standard output."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "train", *map(str, arguments)],
            env={**os.environ, "XDG_CACHE_HOME": cache},
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, after.ru_maxrss / 1024, done.stdout


def extract_some(source: Path, target: Path, each: dict[str, int]) -> Path:
    """Write a zip with the first pictures of each label of another zip."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as part:
        left = dict(each)
        for name in sorted(whole.namelist()):
            label = name.split("/")[0]
            if not name.endswith("/") and left.get(label, 0) > 0:
                left[label] -= 1
                part.writestr(name, whole.read(name))
    return target


def measure_time(data: Path, base_name: str) -> None:
    flowers, base = data / "flowers", locate_base(data, base_name)
    with tempfile.TemporaryDirectory() as folder:
        each = dict.fromkeys(("daisy", "dandelion", "roses", "sunflowers", "tulips"), 200)
        thousand = extract_some(flowers / "flowers_train.zip", Path(folder) / "flowers.zip", each)
        runs: dict[str, list[object]] = {
            "1,000 pictures": [thousand],
            "2,919 pictures": [flowers / "flowers_train.zip", "--validation", flowers / "flowers_val.zip"],
        }
        for name, arguments in runs.items():
            seconds, used, peak_mb, output = run_train(*arguments, "--base", base, "--out", Path(folder) / "out")
            print(f"{name}: {seconds:.1f} s, {used:.1f} s of CPU time, at most {peak_mb:.0f} MB")
            print(f"  {output.splitlines()[1]}")


def measure_small(data: Path, base_name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        few = extract_some(
            data / "sign_digits" / "sign_digits_train.zip",
            Path(folder) / "few.zip",
            {f"digit_{n}": 10 for n in range(10)},
        )
        seconds, used, peak_mb, _ = run_train(
            few, "--base", locate_base(data, base_name), "--out", Path(folder) / "out"
        )
        print(f"10 labels of 10 pictures: {seconds:.1f} s, {used:.1f} s of CPU time, at most {peak_mb:.0f} MB")


# accuracy, background, near: fit heads to features that are cached between runs


class FeatureSet:
    """All features of the pictures in a dataset, and the indices of their labels."""

    def __init__(self, base: Base, source: Path):
        dataset = open_dataset(source)
        self.labels = dataset.labels
        self.examples = dataset.examples
        seen = extract_features(base, dataset.examples, FeatureCache(default_cache_file()))
        self.values = seen.values
        self.targets = np.array([dataset.labels.index(dataset.examples[index].label) for index in seen.kept])


def open_both(base: Base, data: Path, name: str) -> tuple[FeatureSet, FeatureSet]:
    """Return the features of the training set and the validation set of a dataset."""
    return FeatureSet(base, data / name / f"{name}_train.zip"), FeatureSet(base, data / name / f"{name}_val.zip")


@dataclass(frozen=True)
class FittedModel:
    """A head with its input; it scores all features of a base."""

    head: ClassifierHead
    head_input: HeadInput

    def score(self, features: np.ndarray) -> np.ndarray:
        return self.head.score(self.head_input.convert(features))

    def without_rejection(self) -> "FittedModel":
        """Return a softmax of the labels alone."""
        count, head = len(self.head.labels), self.head
        plain = dataclasses.replace(head, weights=head.weights[:count], intercepts=head.intercepts[:count], gate=None)
        return FittedModel(plain, self.head_input)


def fit_model(
    base: Base,
    labels: tuple[str, ...],
    learned: tuple[np.ndarray, np.ndarray],
    judged: tuple[np.ndarray, np.ndarray],
    background: str | None = None,
) -> FittedModel:
    """Choose the layers and fit a head, as train does."""
    bank = load_bank(base)
    whole = fit_head_input(base.groups, learned[0] if bank is None else JoinedRows(learned[0], bank.features))
    parts = [(x, y[:, np.newaxis] == np.arange(len(labels))) for x, y in (learned, judged)]
    head_input = whole.choose(choose_groups(whole, parts[0], parts[1]))
    x, y = np.vstack([learned[0], judged[0]]), np.append(learned[1], judged[1])
    task = HeadTask(
        labels,
        None if background is None else labels.index(background),
        head_input.convert(x),
        y,
        np.arange(len(y)),
        np.arange(len(y)) >= len(learned[1]),
        None if bank is None else BankRows(head_input.convert(bank.features), bank.sources, bank.kinds),
    )
    return FittedModel(fit_head(task, 0).head, head_input)


def extract_without_flowers(base: Base, data: Path) -> np.ndarray:
    """Return the features of the pictures in images/ that show no flowers."""

    class Picture:
        def __init__(self, path: Path):
            self.name, self.read_bytes = path.name, path.read_bytes

    paths = sorted((data / "images").iterdir())
    without = [Picture(path) for path in paths if not any(word in path.name for word in FLOWERS_IN_IMAGES)]
    return extract_features(base, without, FeatureCache(None)).values


def measure_accuracy(data: Path, _: str) -> None:
    for name in BASES:
        base = open_base(data / "models" / name)
        learned, judged = open_both(base, data, "flowers")
        model = fit_model(base, learned.labels, (learned.values, learned.targets), (judged.values, judged.targets))
        print(f"{(model.score(judged.values).argmax(axis=1) == judged.targets).mean():.3f}  {name}")
    scores, targets = score_automl(data, judged)
    print(f"{(scores.argmax(axis=1) == targets).mean():.3f}  the published AutoML export, unchanged")


def score_automl(data: Path, judged: FeatureSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the published AutoML flowers export, and the targets in its order of labels."""
    labeler = Labeler(read_bundle(data / "models" / "automl_mlkit_android"))
    scores = [labeler.score(read_picture(io.BytesIO(example.read_bytes()))) for example in judged.examples]
    return np.stack(scores), np.array([labeler.labels.index(example.label) for example in judged.examples])


def find_threshold(scores: np.ndarray, targets: np.ndarray, recall: float = RECALL) -> float:
    """Return the highest threshold at which this share of all pictures gets its own label as the best one."""
    right = np.where(scores.argmax(axis=1) == targets, scores.max(axis=1), -1.0)
    index = int(np.ceil(recall * len(targets))) - 1
    # If fewer pictures are right at every threshold, use the lowest score of a right one.
    return float(max(np.sort(right)[::-1][index], right[right >= 0].min()))


def measure_background(data: Path, base_name: str) -> None:
    base = open_base(locate_base(data, base_name))
    sets = {name: open_both(base, data, name) for name in ("flowers", "clothing", "sign_digits")}
    without_flowers = extract_without_flowers(base, data)
    print(f"share of pictures that get a label, at the threshold with a validation recall of {RECALL} ({base_name})")
    for name, other in (("flowers", "clothing"), ("clothing", "flowers"), ("sign_digits", "clothing")):
        learned, judged = sets[name]
        for given in (None, other):
            x, y, labels = learned.values, learned.targets, learned.labels
            if given is not None:
                extra = sets[given][0].values
                x, y, labels = np.vstack([x, extra]), np.append(y, [len(labels)] * len(extra)), (*labels, "background")
            model = fit_model(base, labels, (x, y), (judged.values, judged.targets), given and "background")
            ways = {"as trained": model}
            if given is None:
                ways["softmax only"] = model.without_rejection()
            for way, tried in ways.items():
                kinds = len(learned.labels)
                threshold = find_threshold(tried.score(judged.values)[:, :kinds], judged.targets)
                shares = [f"{there} {measure_share(tried, there_sets[1].values, threshold, kinds):.1%}"
                          for there, there_sets in sets.items() if there != name]  # fmt: skip
                count = measure_share(tried, without_flowers, threshold, kinds) * len(without_flowers)
                shown = f"{way}, {'without background' if given is None else given + ' as background'}"
                print(f"  {name} head, {shown}: {', '.join(shares)}, images {count:.0f} of {len(without_flowers)}")
    print_automl(data, sets["flowers"][1])


def measure_share(head: FittedModel, features: np.ndarray, threshold: float, kinds: int) -> float:
    return float((head.score(features)[:, :kinds].max(axis=1) >= threshold).mean())


def print_automl(data: Path, judged: FeatureSet) -> None:
    scores, targets = score_automl(data, judged)
    threshold = find_threshold(scores, targets)
    labeler = Labeler(read_bundle(data / "models" / "automl_mlkit_android"))
    shares = []
    for name in ("clothing", "sign_digits"):
        others = open_dataset(data / name / f"{name}_val.zip").examples
        passed = [labeler.score(read_picture(io.BytesIO(one.read_bytes()))).max() >= threshold for one in others]
        shares.append(f"{name} {np.mean(passed):.1%}")
    print(f"  the published AutoML export, at its highest recall: {', '.join(shares)}")


def measure_near(data: Path, base_name: str) -> None:
    base = open_base(locate_base(data, base_name))
    for name, recall in (("flowers", 0.85), ("clothing", 0.75), ("sign_digits", 0.80)):
        learned, judged = open_both(base, data, name)
        results: dict[str, list[float]] = {"as trained": [], "softmax only": []}
        for left in range(len(learned.labels)):
            labels = tuple(label for label in learned.labels if label != learned.labels[left])
            rest, known = learned.targets != left, judged.targets != left
            move = np.array([index - (index > left) for index in range(len(learned.labels))])
            model = fit_model(base, labels, (learned.values[rest], move[learned.targets[rest]]),
                              (judged.values[known], move[judged.targets[known]]))  # fmt: skip
            for way, tried in (("as trained", model), ("softmax only", model.without_rejection())):
                threshold = find_threshold(tried.score(judged.values[known]), move[judged.targets[known]], recall)
                results[way].append(measure_share(tried, judged.values[~known], threshold, len(labels)))
        print(f"{name}, one label left out at a time, at a recall of {recall} on the others ({base_name})")
        for way, shares in results.items():
            each = ", ".join(f"{label} {value:.0%}" for label, value in zip(learned.labels, shares, strict=True))
            print(f"  {way}: {np.mean(shares):.1%} get another label ({each})")


# latency


def measure_latency(data: Path, base_name: str) -> None:
    path = locate_base(data, base_name)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        run_train(data / "sign_digits" / "sign_digits_val.zip", "--base", path, "--out", out)
        old, new = time_invokes(open_model(path), open_model(out))
        sizes = [f"{len(read_unlabeled_model(each)[0]):,} bytes" for each in (path, out)]
        print(
            f"{base_name}: {old:.2f} ms, {sizes[0]}; with the new head {new:.2f} ms, {sizes[1]}: {new / old:.3f} times"
        )


if __name__ == "__main__":
    main()
