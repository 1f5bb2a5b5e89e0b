"""Run the stage background: compute the background bank of the general labeler, and list the sources with licenses.

The bank contains features of garments, of flowers, and of drawn patterns, the same number of each label, drawn at
random from the training pictures of each set (see training/background_bank.py). Hands (sign_digits) are left out: they
belong to people, the user holds things before the camera with them, and they would improve no figure
(docs/performance.md).
"""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.imaging.files import encode_jpeg
from appliance.system.shipped import find_shipped
from appliance.workshop.datasets.dataset import Example
from appliance.workshop.datasets.open import open_dataset
from appliance.workshop.models.paths import DATA
from appliance.workshop.models.patterns import draw_pattern
from appliance.workshop.training.background_bank import FILE, BackgroundBank, write_bank
from appliance.workshop.training.base import open_base
from appliance.workshop.training.feature_cache import FeatureCache
from appliance.workshop.training.features import Picture, extract_features

NOTICE = "BACKGROUND.md"
PATTERNS = "patterns"
# The number of pictures of each label of a set.
EACH = {"clothing": 40, "flowers": 60}
_PATTERN_COUNT = 200
_SEED = 20261122
_HEAD = """\
# Background bank of the general labeler

`background.npz` contains features (numbers that the general labeler computes, no pictures) of these pictures.
`appliance train` uses them as examples of what a new model should not label.

| Source | Pictures | License |
| --- | --- | --- |
| [clothing-dataset-small](https://github.com/alexeygrigorev/clothing-dataset-small) | {clothing} | CC0 1.0 |
| flower_photos (TensorFlow's "tf_flowers") | {flowers} | CC-BY 2.0, by the authors below |
| patterns drawn by the program | {patterns} | that of the program |

The photographs were scaled down to compute the features. The address of every flower photo is in the archive's
LICENSE.txt, kept at github.com/dotnet/machinelearning-samples (commit 427ccb68).

The authors of the flower photographs, under https://creativecommons.org/licenses/by/2.0/:

"""


@dataclass(frozen=True, slots=True)
class DrawnPattern:
    """A drawn picture in place of a file."""

    name: str
    seed: int

    def read_bytes(self) -> bytes:
        """Return the drawing as a JPEG."""
        return encode_jpeg(draw_pattern(np.random.default_rng(self.seed)), 95)


def build_bank() -> None:
    """Write the bank and its notice beside the general labeler."""
    folder = find_shipped("general")
    base = open_base(folder)
    pictures: list[Picture] = []
    sources: list[str] = []
    kinds: list[str] = []
    chosen: dict[str, list[Example]] = {}
    for name, each in EACH.items():
        dataset = open_dataset(DATA / name / f"{name}_train.zip")
        chosen[name] = choose_examples(dataset.examples, each)
        pictures += chosen[name]
        sources += [name] * len(chosen[name])
        kinds += [f"{name}/{example.label}" for example in chosen[name]]
    pictures += [DrawnPattern(f"pattern {index}", index) for index in range(_PATTERN_COUNT)]
    sources += [PATTERNS] * _PATTERN_COUNT
    kinds += [PATTERNS] * _PATTERN_COUNT
    features = extract_features(base, pictures, FeatureCache(None))
    source_names, kind_names = (tuple(dict.fromkeys(names)) for names in (sources, kinds))
    bank = BackgroundBank(
        features.values.astype(np.float32),
        np.array([source_names.index(sources[index]) for index in features.kept]),
        np.array([kind_names.index(kinds[index]) for index in features.kept]),
        source_names,
        kind_names,
    )
    write_bank(folder / FILE, bank, base)
    counts = {name: sources.count(name) for name in source_names}
    authors = list_authors({example.name.rsplit("/", 1)[-1] for example in chosen["flowers"]})
    (folder / NOTICE).write_text(_HEAD.format(**counts) + "\n".join(f"- {name}" for name in authors) + "\n", "utf-8")
    print(f"{len(bank)} rows, {(folder / FILE).stat().st_size:,} bytes")


def choose_examples(examples: Sequence[Example], each: int) -> list[Example]:
    """Draw the same number of pictures of each label at random, always the same ones."""
    by_label: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_label[example.label or ""].append(example)
    random = np.random.default_rng(_SEED)
    return [
        by_label[label][index]
        for label in sorted(by_label)
        for index in random.permutation(len(by_label[label]))[:each].tolist()
    ]


def list_authors(names: set[str]) -> list[str]:
    """Return the authors of flower photographs with these file names, each once, sorted."""
    with (DATA / "flowers" / "flowers_trainval_index.csv").open(encoding="utf-8", newline="") as file:
        authors = {row["author"] for row in csv.DictReader(file) if row["path"].rsplit("/", 1)[-1] in names}
    return sorted(authors, key=str.casefold)
