"""Record where a new model is from: its base, its pictures, its figures, and the model that it replaces.

The record is written into the manifest (see bundle/provenance.py). It contains no time and no path, so that the same
pictures, base, and seed still give the same bytes.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import read_bundle, read_unlabeled_model
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.provenance import MAX_PARENTS, MetricValue, Provenance, TrainingMetrics
from appliance.errors import BundleError
from appliance.workshop.evaluation.intervals import MeasuredShare
from appliance.workshop.training.training_set import TrainingSet
from appliance.workshop.training.validation_figures import ValidationFigures


def hash_dataset(training_set: TrainingSet, kept: np.ndarray, digests: Sequence[bytes]) -> str:
    """Return the SHA-256, in hex, of the pictures and their labels, whatever their names and their order.

    Args:
        training_set: The pictures.
        kept: (n,) the indexes of those that could be read.
        digests: The SHA-256 of each of these picture files.
    """
    lines = []
    for index, digest in zip(kept.tolist(), digests, strict=True):
        if training_set.membership is None:
            labels = [training_set.labels[training_set.targets[index]]]
        else:
            labels = [training_set.labels[label] for label in np.flatnonzero(training_set.membership[index])]
        lines.append(f"{digest.hex()} {'|'.join(labels)}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def list_parents(parent: Path | None) -> tuple[ModelIdentity, ...]:
    """Return the model that a new one replaces, and those that it replaced itself, the newest first.

    Args:
        parent: The bundle that the new one replaces; None for the first model of its kind.

    Raises:
        BundleError: The bundle cannot be read.
    """
    if parent is None:
        return ()
    bundle = read_bundle(parent)
    earlier = bundle.provenance.parents if bundle.provenance else ()
    return (bundle.identity, *earlier)[:MAX_PARENTS]


def describe_origin(
    base: Path,
    training_set: TrainingSet,
    dataset_sha256: str,
    figures: ValidationFigures,
    seed: int,
    parents: tuple[ModelIdentity, ...] = (),
    license_note: str | None = None,
) -> Provenance:
    """Return the record of a new model.

    Args:
        base: The base, as given by the user.
        training_set: Its pictures.
        dataset_sha256: See hash_dataset.
        figures: Its figures on pictures that it was not fitted to.
        seed: The seed of every random choice.
        parents: See list_parents.
        license_note: What the user states about the licenses of the pictures.
    """
    identity, base_license = _identify_base(base)
    counts = training_set.count_labels(np.arange(len(training_set.pictures)))
    notes = [f"base: {base_license}" if base_license else None, f"pictures: {license_note}" if license_note else None]
    return Provenance(
        base=identity,
        parents=parents,
        dataset_sha256=dataset_sha256,
        pictures={label: counts[index] for index, label in enumerate(training_set.labels)},
        test=sum(training_set.test_counts.values()),
        metrics=_list_metrics(figures),
        seed=seed if seed >= 0 else None,
        license="; ".join(filter(None, notes)) or None,
    )


def _identify_base(path: Path) -> tuple[ModelIdentity, str | None]:
    """Return a base's identity and its note on licenses; an embedding extractor has only its file's name and hash."""
    try:
        bundle = read_bundle(path)
        return bundle.identity, bundle.provenance.license if bundle.provenance else None
    except BundleError:
        sha256 = hashlib.sha256(read_unlabeled_model(path)[0]).hexdigest()
        return ModelIdentity(path.stem, f"sha256:{sha256[:12]}", sha256), None


def _list_metrics(figures: ValidationFigures) -> TrainingMetrics:
    quality, point = figures.quality, figures.quality.point
    error = quality.calibration.error
    return TrainingMetrics(
        pictures=figures.pictures,
        method=figures.method,
        threshold=point.threshold,
        calibration_error=None if error is None else round(error, 6),
        figures={
            "accuracy": _round(quality.accuracy),
            "precision": _round(point.precision_share),
            "recall": _round(point.recall_share),
        },
    )


def _round(share: MeasuredShare) -> MetricValue:
    values = share.as_dict()
    return MetricValue(values["value"], values["low"], values["high"])
