"""First stage: every picture that training sees, augmented and stored at STORED_PX, as one array in the work folder.

Next to the pictures stand, one entry each: the label's index (BACKGROUND's is behind the last), the group, the number
of the photograph it was made of (copies of one photograph stay together when the teachers are cross-fitted), and
whether it is the whole photograph, unchanged.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from negatives import collage, dephased, draw_pattern, pasted, recoloured, shuffled
from photos import STORED_PX, copy_of, photos, plain
from places import BACKGROUND, DATA, LABELS, NEEDED, OTHER_SETS, WORK
from scenes import empty_scene, flower_scene

SEED = 20261122
COPIES = {"flowers": 10, "clothing": 2, "sign_digits": 1}
SHUFFLED, DEPHASED, PATTERNS = 800, 400, 3000
RECOLOURED = {"clothing": 2500, "sign_digits": 500}
COLLAGES = {"clothing": 1500, "sign_digits": 300}
PASTED = {"clothing": 2500, "sign_digits": 800}
SCENES_OF_A_LABEL, EMPTY_SCENES = 200, 450
GROUPS = ("flowers", *OTHER_SETS, "patterns", "scenes")

_BACKGROUND = len(LABELS)
Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Pictures:
    """The stored pictures: (n, STORED_PX, STORED_PX, 3) uint8, and (n,) arrays beside them."""

    pixels: Array
    label: Array
    group: Array
    photo: Array
    whole: Array

    def of(self, group: str) -> Array:
        """(n,) bool: which belong to a group of GROUPS."""
        return self.group == GROUPS.index(group)


def load() -> Pictures:
    """What prepare() wrote; the pixels stay on the disk until they are read."""
    facts = np.load(WORK / "facts.npz")
    return Pictures(
        np.load(WORK / "pixels.npy", mmap_mode="r"), *(facts[name] for name in ("label", "group", "photo", "whole"))
    )


def prepare() -> None:
    """Writes pixels.npy and facts.npz.

    Raises:
        SystemExit: The data is not there; says what is needed.
    """
    if not (DATA / "flowers" / "flowers_train.zip").is_file():
        raise SystemExit(f"There is no data to train on. {NEEDED}")
    WORK.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    entries = [*_photographs(rng), *_drawn(rng), *_pasted(rng)]
    np.save(WORK / "pixels.npy", np.stack([entry[0] for entry in entries]))
    columns = {
        name: np.array([entry[place] for entry in entries])
        for place, name in enumerate(("label", "group", "photo", "whole"), 1)
    }
    np.savez(WORK / "facts.npz", **columns)
    counts = {name: int((columns["group"] == index).sum()) for index, name in enumerate(GROUPS)}
    print(
        f"prepared {len(entries):,} pictures of {STORED_PX}×{STORED_PX}: {json.dumps(counts)}; background is {BACKGROUND}"
    )


def _photographs(rng: np.random.Generator) -> Iterator[tuple[Array, int, int, int, bool]]:
    number = 0
    for name, copies in COPIES.items():
        group = GROUPS.index(name)
        whole = []
        for label, _, pixels in photos(name, "train"):
            index = LABELS.index(label) if name == "flowers" else _BACKGROUND
            yield plain(pixels), index, group, number, True
            for _ in range(copies):
                yield copy_of(pixels, rng), index, group, number, False
            whole.append(pixels)
            number += 1
        if name == "flowers":
            chosen = rng.choice(len(whole), SHUFFLED + DEPHASED)
            for count, index in enumerate(chosen):
                change = shuffled if count < SHUFFLED else dephased
                yield change(plain(whole[index]), rng), _BACKGROUND, GROUPS.index("patterns"), -1, False
        else:
            for index in rng.choice(len(whole), RECOLOURED[name]):
                yield recoloured(whole[index], rng), _BACKGROUND, group, -1, False
            for first, second in rng.choice(len(whole), (COLLAGES[name], 2)):
                yield collage(whole[first], whole[second], rng), _BACKGROUND, group, -1, False


def _pasted(rng: np.random.Generator) -> Iterator[tuple[Array, int, int, int, bool]]:
    gardens = [pixels for _, _, pixels in photos("flowers", "train")]
    for name, count in PASTED.items():
        things = [pixels for _, _, pixels in photos(name, "train")]
        for _ in range(count):
            thing, garden = things[int(rng.integers(len(things)))], gardens[int(rng.integers(len(gardens)))]
            yield pasted(thing, garden, rng), _BACKGROUND, GROUPS.index(name), -1, False


def _drawn(rng: np.random.Generator) -> Iterator[tuple[Array, int, int, int, bool]]:
    for _ in range(PATTERNS):
        yield draw_pattern(rng), _BACKGROUND, GROUPS.index("patterns"), -1, False
    scenes = GROUPS.index("scenes")
    for index, label in enumerate(LABELS):
        for number in range(SCENES_OF_A_LABEL):
            yield flower_scene(label, number, rng), index, scenes, -1, False
    for number in range(EMPTY_SCENES):
        yield empty_scene(number, rng), _BACKGROUND, scenes, -1, False
