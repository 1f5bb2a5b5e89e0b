"""Choose the pictures that training does not see, so that its result can be believed.

Pictures of one recording show one thing from nearly the same place, so a whole recording is held out or none of it:
otherwise a model would be tried on pictures that it practically knows. Every other picture stands for itself.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.teaching.folders import TeachingPicture
from appliance.teaching.names import BACKGROUND, MIN_PICTURES

HELD_OUT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What is trained on, and what is held out.

    Attributes:
        train: The pictures for training, by label; those of the background under `background`.
        held_out: The pictures that training does not see, in the same form; a label may have none.
        left_out: Label → its number of pictures, for labels that have too few.
        unmeasured: The labels without held-out pictures, because their pictures are all of one recording or too few.
    """

    train: dict[str, list[TeachingPicture]]
    held_out: dict[str, list[TeachingPicture]]
    left_out: dict[str, int]
    unmeasured: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The labels to train, without the background."""
        return [label for label in self.train if label != BACKGROUND]

    @property
    def pictures(self) -> int:
        """The number of pictures for training and held out."""
        return sum(map(len, self.train.values())) + sum(map(len, self.held_out.values()))


def plan_training(pictures: Iterable[TeachingPicture], labels: Iterable[str]) -> TrainingPlan:
    """Divide the labeled pictures into those for training and those that are held out.

    Args:
        pictures: All pictures of the dataset.
        labels: All labels, also those without pictures.
    """
    by_label: dict[str, list[TeachingPicture]] = {label: [] for label in sorted(labels)}
    for picture in pictures:
        if picture.is_background:
            by_label.setdefault(BACKGROUND, []).append(picture)
        elif picture.label is not None:
            by_label.setdefault(picture.label, []).append(picture)
    left_out = {label: len(found) for label, found in by_label.items() if len(found) < MIN_PICTURES}
    train, held_out, unmeasured = {}, {}, []
    for label, found in by_label.items():
        if label in left_out:
            continue
        chosen = choose_held_out(found)
        train[label] = [picture for picture in found if picture.id not in chosen]
        if chosen:
            held_out[label] = [picture for picture in found if picture.id in chosen]
        elif label != BACKGROUND:
            unmeasured.append(label)
    return TrainingPlan(train, held_out, left_out, tuple(unmeasured))


def choose_held_out(pictures: Sequence[TeachingPicture]) -> set[str]:
    """Return the ids of the pictures of one label to hold out: whole recordings, near HELD_OUT_SHARE of the pictures.

    At least MIN_PICTURES stay for training. The choice depends on the names alone, so training again on the same
    pictures holds out the same ones.
    """
    groups: dict[str, list[str]] = {}
    for picture in pictures:
        groups.setdefault(picture.recording or f"alone {picture.id}", []).append(picture.id)
    wanted = HELD_OUT_SHARE * len(pictures)
    most = min(len(pictures) - MIN_PICTURES, len(pictures) // 2)
    chosen: set[str] = set()
    # In an order that has nothing to do with time, small groups first among recordings of very different length.
    for name in sorted(groups, key=lambda name: (len(groups[name]) > wanted, _shuffle(name))):
        size = len(chosen) + len(groups[name])
        if size <= most and (not chosen or abs(size - wanted) < abs(len(chosen) - wanted)):
            chosen.update(groups[name])
    return chosen


def _shuffle(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
