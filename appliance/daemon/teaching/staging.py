"""Lay out the pictures of a training as folders for the child processes, without copying them.

The files are hard links, so the training sees the pictures as they were at its start, whatever is labeled or deleted
meanwhile. Each file is named by the picture's id, which mistakes are reported by.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from appliance.teaching.folders import TeachingPicture
from appliance.teaching.holdout import TrainingPlan
from appliance.teaching.names import BACKGROUND


@dataclass(frozen=True, slots=True)
class StagedPictures:
    """The folders of a training.

    Attributes:
        train: A dataset with the pictures for training.
        background: The background pictures for training; None without any.
        held_out: A dataset with the held-out pictures; None without any.
        held_out_background: The held-out background pictures; None without any.
        out: The bundle to write.
    """

    train: Path
    background: Path | None
    held_out: Path | None
    held_out_background: Path | None
    out: Path


def stage_pictures(plan: TrainingPlan, folder: Path) -> StagedPictures:
    """Lay out the pictures in a folder, which is emptied first.

    Args:
        plan: The pictures.
        folder: On the file system of the dataset.

    Raises:
        OSError: The folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o750, parents=True)
    # In capitals, these folders are splits, whatever the labels are named, and training holds out nothing else.
    train = folder / "train"
    for label in plan.labels:
        _link(plan.train[label], train / "TRAIN" / label)
    background = _link_background(plan.train.get(BACKGROUND, []), folder / "background")
    held_out = None
    for label, pictures in plan.held_out.items():
        if label != BACKGROUND:
            held_out = folder / "held-out"
            _link(pictures, held_out / "TEST" / label)
    other = _link_background(plan.held_out.get(BACKGROUND, []), folder / "held-out-background")
    return StagedPictures(train, background, held_out, other if held_out else None, folder / "model")


def _link_background(pictures: list[TeachingPicture], folder: Path) -> Path | None:
    if not pictures:
        return None
    _link(pictures, folder / BACKGROUND)
    return folder


def _link(pictures: list[TeachingPicture], folder: Path) -> None:
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for picture in pictures:
        target = folder / f"{picture.id}{picture.path.suffix.lower()}"
        try:
            os.link(picture.path, target, follow_symlinks=False)
        except FileNotFoundError:
            continue  # deleted in the meantime
        except OSError:  # a file system without hard links
            shutil.copyfile(picture.path, target, follow_symlinks=False)
