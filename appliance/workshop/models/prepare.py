"""Run the first stage: augment the photographs, draw the rest, and store all pictures in one array in the work folder.

Each picture has a label (an index of LABELS; the background's is one more), a group, the number of its original
photograph (so that copies of one photograph stay together in cross-fitting), and a flag whether it is the whole
photograph, unchanged.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from appliance.workshop.models.augmentation import STORED_PX, make_copy, stretch
from appliance.workshop.models.drawn_scenes import draw_empty_scene, draw_flower_scene
from appliance.workshop.models.negatives import (
    make_collage,
    paste_before_garden,
    randomize_phases,
    recolor,
    shuffle_tiles,
)
from appliance.workshop.models.paths import BACKGROUND, DATA, LABELS, OTHER_SETS, REQUIRED_DATA, WORK
from appliance.workshop.models.patterns import draw_pattern
from appliance.workshop.models.photographs import read_photographs

SEED = 20261122
COPIES = {"flowers": 10, "clothing": 2, "sign_digits": 1}
SHUFFLED, DEPHASED, PATTERNS = 800, 400, 3000
RECOLORED = {"clothing": 2500, "sign_digits": 500}
COLLAGES = {"clothing": 1500, "sign_digits": 300}
PASTED = {"clothing": 2500, "sign_digits": 800}
SCENES_PER_LABEL, EMPTY_SCENES = 200, 450
GROUPS = ("flowers", *OTHER_SETS, "patterns", "scenes")
BACKGROUND_INDEX = len(LABELS)
NO_PHOTOGRAPH = -1


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """One picture to store.

    Attributes:
        pixels: (STORED_PX, STORED_PX, 3) uint8 RGB.
        label: An index of LABELS, or BACKGROUND_INDEX.
        group: One of GROUPS.
        photograph: The number of the photograph, or NO_PHOTOGRAPH.
        is_whole: Whether it is the whole photograph and was only stretched.
    """

    pixels: np.ndarray
    label: int
    group: str
    photograph: int = NO_PHOTOGRAPH
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class PictureSet:
    """The stored pictures.

    Attributes:
        pixels: (n, STORED_PX, STORED_PX, 3) uint8, read from disk on use.
        label: (n,) as in PreparedPicture.
        group: (n,) indices of GROUPS.
        photograph: (n,) as in PreparedPicture.
        whole: (n,) bool.
    """

    pixels: np.ndarray
    label: np.ndarray
    group: np.ndarray
    photograph: np.ndarray
    whole: np.ndarray

    def select_group(self, name: str) -> np.ndarray:
        """Return (n,) bool: which pictures belong to one of GROUPS."""
        selected: np.ndarray = self.group == GROUPS.index(name)
        return selected


def load_pictures() -> PictureSet:
    """Load the files that prepare_pictures() wrote; the pixels are read from disk on use."""
    facts = np.load(WORK / "facts.npz")
    pixels = np.load(WORK / "pixels.npy", mmap_mode="r")
    return PictureSet(pixels, facts["label"], facts["group"], facts["photo"], facts["whole"])


def prepare_pictures() -> None:
    """Write pixels.npy and facts.npz.

    Raises:
        SystemExit: The data is missing; the message lists what is needed.
    """
    if not (DATA / "flowers" / "flowers_train.zip").is_file():
        raise SystemExit(f"there is no data for training; {REQUIRED_DATA}")
    WORK.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    pictures = [*_make_from_photographs(rng), *_draw_pictures(rng), *_make_pasted(rng)]
    np.save(WORK / "pixels.npy", np.stack([picture.pixels for picture in pictures]))
    group = np.array([GROUPS.index(picture.group) for picture in pictures])
    np.savez(
        WORK / "facts.npz",
        label=np.array([picture.label for picture in pictures]),
        group=group,
        photo=np.array([picture.photograph for picture in pictures]),
        whole=np.array([picture.is_whole for picture in pictures]),
    )
    counts = json.dumps({name: int((group == index).sum()) for index, name in enumerate(GROUPS)})
    print(f"prepared {len(pictures):,} pictures of {STORED_PX}×{STORED_PX}: {counts}; the background is {BACKGROUND}")


def _make_from_photographs(rng: np.random.Generator) -> Iterator[PreparedPicture]:
    number = 0
    for name, copies in COPIES.items():
        originals = []
        for photograph in read_photographs(name, "train"):
            label = LABELS.index(photograph.label) if name == "flowers" else BACKGROUND_INDEX
            yield PreparedPicture(stretch(photograph.pixels), label, name, number, is_whole=True)
            for _ in range(copies):
                yield PreparedPicture(make_copy(photograph.pixels, rng), label, name, number)
            originals.append(photograph.pixels)
            number += 1
        if name == "flowers":
            yield from _destroy_flowers(originals, rng)
        else:
            yield from _vary_others(name, originals, rng)


def _destroy_flowers(flowers: list[np.ndarray], rng: np.random.Generator) -> Iterator[PreparedPicture]:
    """Yield textures of flowers without the flowers."""
    for count, index in enumerate(rng.choice(len(flowers), SHUFFLED + DEPHASED)):
        change = shuffle_tiles if count < SHUFFLED else randomize_phases
        yield PreparedPicture(change(stretch(flowers[index]), rng), BACKGROUND_INDEX, "patterns")


def _vary_others(name: str, originals: list[np.ndarray], rng: np.random.Generator) -> Iterator[PreparedPicture]:
    """Yield photographs of a set without flowers, with changed colors and mixed with each other."""
    for index in rng.choice(len(originals), RECOLORED[name]):
        yield PreparedPicture(recolor(originals[index], rng), BACKGROUND_INDEX, name)
    for first, second in rng.choice(len(originals), (COLLAGES[name], 2)):
        yield PreparedPicture(make_collage(originals[first], originals[second], rng), BACKGROUND_INDEX, name)


def _make_pasted(rng: np.random.Generator) -> Iterator[PreparedPicture]:
    gardens = [photograph.pixels for photograph in read_photographs("flowers", "train")]
    for name, count in PASTED.items():
        subjects = [photograph.pixels for photograph in read_photographs(name, "train")]
        for _ in range(count):
            subject, garden = subjects[int(rng.integers(len(subjects)))], gardens[int(rng.integers(len(gardens)))]
            yield PreparedPicture(paste_before_garden(subject, garden, rng), BACKGROUND_INDEX, name)


def _draw_pictures(rng: np.random.Generator) -> Iterator[PreparedPicture]:
    for _ in range(PATTERNS):
        yield PreparedPicture(draw_pattern(rng), BACKGROUND_INDEX, "patterns")
    for index, label in enumerate(LABELS):
        for scene in range(SCENES_PER_LABEL):
            yield PreparedPicture(draw_flower_scene(label, scene, rng), index, "scenes")
    for scene in range(EMPTY_SCENES):
        yield PreparedPicture(draw_empty_scene(scene, rng), BACKGROUND_INDEX, "scenes")
