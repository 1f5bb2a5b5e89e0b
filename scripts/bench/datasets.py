"""Measure the figures about large datasets in the manual: scripts/bench-datasets FIGURE [--data FOLDER] [--count N]

    check    check 1,000 and 40,000 generated pictures: processor time, their ratio, peak memory; and once more, cached
    recall   the share of the pairs of near duplicates that the buckets find, among 3,000 pictures with made copies
    batches  the top-1 accuracy of a head that is fitted in many batches of mapped features, with the axes of a sample,
             and of one that is fitted in one piece to all features and their own axes
    train    train on generated pictures (--count, 100,000 by default): seconds, peak memory of the largest process

`recall` and `batches` need the published pictures of the tests (APPLIANCE_TEST_DATA); so does every --base but
bundled:general. With --distinct N, `train` runs the base on N pictures only, and computes the features of every other
one as a mixture of two of these with the same label; everything else is as always.
"""

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from appliance.imaging.files import encode_jpeg, make_thumbnail
from appliance.workshop.datasets import near_pairs

ROOT = Path(__file__).resolve().parents[2]
BASE = "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
LABELS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench-datasets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = {"check": measure_check, "recall": measure_recall, "batches": measure_batches}
    parser.add_argument("figure", choices=[*figures, "train"])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("APPLIANCE_TEST_DATA", ROOT.parent / "shared")) / "data"
    )
    parser.add_argument("--base", default=BASE, help="for batches and train")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--distinct", type=int, default=0, help="for train")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    if arguments.figure == "train":
        measure_train(arguments.data, arguments.count, arguments.base, arguments.distinct)
    else:
        figures[arguments.figure](arguments.data, arguments.count, arguments.base)


def write_pictures(folder: Path, count: int) -> Path:
    """Write generated pictures: soft patches, each with its own colors, and with the tint of its label."""
    random = np.random.default_rng(0)
    tints = random.integers(0, 90, (LABELS, 1, 1, 3))
    for label in range(LABELS):
        (folder / f"label_{label}").mkdir(parents=True)
    for index in range(count):
        label = index % LABELS
        patches = (random.integers(0, 165, (6, 8, 3)) + tints[label]).astype(np.uint8)
        image = Image.fromarray(patches).resize((320, 240), Image.Resampling.BICUBIC)
        (folder / f"label_{label}" / f"{index:06d}.jpg").write_bytes(encode_jpeg(np.asarray(image)))
    return folder


def run_command(cache: Path, *words: object, prepare: str = "") -> tuple[float, float, float]:
    """Run a command of the program; return its seconds, its processor seconds, and its peak memory in MB.

    Args:
        cache: The folder for caches.
        words: The command.
        prepare: Code to run before it.
    """
    code = (
        f"{prepare}\nimport resource, sys; from appliance.cli import main; status = main(sys.argv[1:]); "
        # The processor time of worker processes is known when they have ended.
        "from joblib.externals.loky import get_reusable_executor; get_reusable_executor().shutdown(wait=True); "
        "own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime, "
        "max(own.ru_maxrss, others.ru_maxrss) / 1024, status, file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    cpu_s, memory_mb, status = done.stderr.splitlines()[-1].split()
    if status != "0":
        print(done.stderr)
    return time.monotonic() - began, float(cpu_s), float(memory_mb)


def measure_check(data: Path, count: int, base_name: str) -> None:
    large = count or 40_000
    cpu_s = {}
    with tempfile.TemporaryDirectory() as work:
        for number in (1000, large):
            folder = write_pictures(Path(work) / str(number), number)
            for name in ("first", "cached"):
                seconds, cpu_s[number, name], memory_mb = run_command(
                    Path(work) / f"cache{number}", "dataset", "check", folder, "--json"
                )
                print(
                    f"{number} pictures, {name}: {seconds:.1f} s, {cpu_s[number, name]:.1f} CPU s, {memory_mb:.0f} MB"
                )
    for name in ("first", "cached"):
        print(f"{name}: {large} pictures cost {cpu_s[large, name] / cpu_s[1000, name]:.1f} x what 1000 cost")


def list_pictures(file: Path) -> list[bytes]:
    with zipfile.ZipFile(file) as archive:
        return [archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".jpg")]


def make_copies(content: bytes) -> Iterator[bytes]:
    """Yield the picture and the seven copies of the issue: what people, programs, and cameras make of a picture."""
    image = Image.open(io.BytesIO(content)).convert("RGB")
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    cut_y, cut_x = round(height * 0.01), round(width * 0.01)
    yield encode_jpeg(pixels)
    yield encode_jpeg(np.asarray(image.resize((width // 2, height // 2))))
    yield encode_jpeg(pixels, 40)
    yield encode_jpeg(np.clip(pixels * 1.2, 0, 255).astype(np.uint8))
    yield encode_jpeg((pixels * 0.67).astype(np.uint8))
    yield encode_jpeg(pixels[:, ::-1])
    yield encode_jpeg(pixels[cut_y : height - cut_y, cut_x : width - cut_x])
    yield encode_jpeg(np.asarray(image.rotate(1)))


def measure_recall(data: Path, count: int, base_name: str) -> None:
    pictures = [
        content
        for file in ("flowers/flowers_val.zip", "clothing/clothing_val.zip", "sign_digits/sign_digits_val.zip")
        for content in list_pictures(data / file)[:125]
    ]
    thumbnails = np.stack([make_thumbnail(copy, "copy", 16) for content in pictures for copy in make_copies(content)])
    near_pairs.SMALL = len(thumbnails)
    every = set(near_pairs.find_near_pairs(thumbnails))
    near_pairs.SMALL = 0
    found = set(near_pairs.find_near_pairs(thumbnails))
    print(f"{len(thumbnails)} pictures, {len(every)} pairs, recall {len(found & every) / len(every):.4f}")


def find_base(data: Path, name: str) -> Path:
    return Path(name) if name.startswith("bundled:") else data / "models" / name


def measure_batches(data: Path, count: int, base_name: str) -> None:
    from appliance.workshop.datasets.open import open_dataset
    from appliance.workshop.training import feature_rows, head
    from appliance.workshop.training.base import open_base
    from appliance.workshop.training.feature_cache import FeatureCache, default_cache_file
    from appliance.workshop.training.features import extract_features
    from appliance.workshop.training.head_input import fit_head_input
    from appliance.workshop.training.head_task import HeadTask

    base, cache = open_base(find_base(data, base_name)), FeatureCache(default_cache_file())
    for subject in ("flowers", "clothing", "sign_digits"):
        parts = []
        for name in ("train", "val"):
            dataset = open_dataset(data / subject / f"{subject}_{name}.zip")
            order = np.random.default_rng(0).permutation(len(dataset.examples)).tolist()
            features = extract_features(base, [dataset.examples[index] for index in order], cache)
            labels = [dataset.examples[order[index]].label or "" for index in features.kept]
            parts.append((features.rows, np.array([dataset.labels.index(label) for label in labels])))
        (rows, targets), (other_rows, other_targets) = parts
        convert = fit_head_input(base.groups, rows).convert
        rows, unseen, number = rows.convert_with(convert), other_rows.convert_with(convert)[:], len(targets)
        for text, given, batch, sample in (("one piece", rows[:], number, number), ("batches of 256", rows, 256, 1000)):
            task = HeadTask(dataset.labels, None, given, targets, np.arange(number), np.zeros(number, bool))
            with patch.object(feature_rows, "BATCH_ROWS", batch), patch.object(head, "SAMPLE_ROWS", sample):
                fitted = head.fit_head(task, 0).head
            accuracy = (fitted.score(unseen).argmax(axis=1) == other_targets).mean()
            print(f"{subject}, {number} pictures, {text}: accuracy {accuracy:.4f} of {len(unseen)}", flush=True)


# Mixes the features of two pictures with the same label, instead of running the base on a third one.
MIX_FEATURES = """
import numpy as np
from appliance.workshop.training import features

compute = features.compute_features

def mix(base, pictures, count):
    pictures, random, known = list(pictures), np.random.default_rng(0), {}
    random.shuffle(pictures)
    # The first ones are labeled with the written model, whose scores must be those of the fit.
    pictures.sort(key=lambda item: item[0] >= 10)
    of_label = {index: picture.label for index, picture in pictures}
    for index, outcome in compute(base, pictures[:DISTINCT], DISTINCT):
        known.setdefault(of_label[index], []).append(outcome)
        yield index, outcome
    for index, _ in pictures[DISTINCT:]:
        first, second = random.integers(0, len(known[of_label[index]]), 2)
        first, second = known[of_label[index]][first], known[of_label[index]][second]
        yield index, first + (second - first) * random.random(dtype=np.float32)

features.compute_features = mix
"""


def measure_train(data: Path, count: int, base_name: str, distinct: int) -> None:
    number = count or 100_000
    prepare = MIX_FEATURES.replace("DISTINCT", str(distinct)) if distinct else ""
    with tempfile.TemporaryDirectory() as work:
        folder = write_pictures(Path(work) / "pictures", number)
        seconds, cpu_s, memory_mb = run_command(
            Path(work) / "cache",
            "train",
            folder,
            "--base",
            find_base(data, base_name),
            "--out",
            Path(work) / "model",
            prepare=prepare,
        )
    print(f"{number} pictures with {base_name}: {seconds:.0f} s, {cpu_s:.0f} CPU s, largest process {memory_mb:.0f} MB")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
