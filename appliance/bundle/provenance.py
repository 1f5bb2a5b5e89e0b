"""State where a model is from: its base, its pictures, its figures, and the models before it.

`appliance train` writes this into the manifest, under the key `training`, and every copy of the bundle keeps it:

    "training": {
      "base": {"name": "general", "version": "1.0.0", "sha256": "…"},
      "parents": [{"name": "things", "version": "1", "sha256": "…"}],
      "dataset": {"sha256": "…", "pictures": {"cup": 30, "pen": 28}, "test": 6},
      "metrics": {"pictures": 58, "method": "cross-validation", "threshold": 0.62, "calibrationError": 0.03,
                  "accuracy": {"value": 0.95, "low": 0.9, "high": 0.98}, "precision": {…}, "recall": {…}},
      "seed": 0,
      "license": "base: Apache-2.0"
    }

People read it, and labeling does not use it. A bundle may be from anywhere, so each text is cleaned, each list and each
number is bounded, and whatever is not as above is left out; it never makes a bundle invalid.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.bundle.identity import ModelIdentity
from appliance.system.foreign_text import clean_text

MAX_LABELS = 1000
MAX_PARENTS = 20
_MAX_NAME, _MAX_VERSION, _MAX_LABEL, _MAX_METHOD, _MAX_LICENSE = 64, 71, 255, 40, 400
_MAX_COUNT = 10**9
_MAX_SEED = 2**64
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_FIGURES = ("accuracy", "precision", "recall")


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A measured share with its 95 % interval, each 0–1; None if the pictures cannot give it."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Return the value and its interval."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class TrainingMetrics:
    """The figures of a new model on pictures that it was not fitted to.

    Attributes:
        pictures: The number of these pictures.
        method: How they were kept apart, such as "validation" or "cross-validation".
        threshold: The threshold of precision and recall.
        calibration_error: The mean difference between a score and how often it is right.
        figures: accuracy, precision, and recall, as far as they are known.
    """

    pictures: int
    method: str | None = None
    threshold: float | None = None
    calibration_error: float | None = None
    figures: Mapping[str, MetricValue] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the manifest."""
        values = {
            "pictures": self.pictures,
            "method": self.method,
            "threshold": self.threshold,
            "calibrationError": self.calibration_error,
            **{name: figure.as_dict() for name, figure in self.figures.items()},
        }
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model is from.

    Attributes:
        base: The model that computes its features.
        parents: The models that it replaces one after the other, the newest first.
        dataset_sha256: The hash of its pictures and their labels.
        pictures: Label → the number of its pictures.
        test: The number of pictures that were set aside for a test, and are not among these.
        metrics: Its figures.
        seed: The seed of every random choice.
        license: A note on the licenses of the base and the pictures.
    """

    base: ModelIdentity | None = None
    parents: tuple[ModelIdentity, ...] = ()
    dataset_sha256: str | None = None
    pictures: Mapping[str, int] = field(default_factory=dict)
    test: int | None = None
    metrics: TrainingMetrics | None = None
    seed: int | None = None
    license: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the object of the manifest, of `model show --json`, and of GET /api/model."""
        dataset = {"sha256": self.dataset_sha256, "pictures": dict(self.pictures) or None, "test": self.test}
        values = {
            "base": None if self.base is None else self.base.as_dict(),
            "parents": [parent.as_dict() for parent in self.parents] or None,
            "dataset": {key: value for key, value in dataset.items() if value is not None} or None,
            "metrics": None if self.metrics is None else self.metrics.as_dict(),
            "seed": self.seed,
            "license": self.license,
        }
        return {key: value for key, value in values.items() if value is not None}


def parse_provenance(value: Any) -> Provenance | None:
    """Return what the key `training` of a manifest states, cleaned and bounded; None if it states nothing.

    Args:
        value: The decoded JSON, of any type.
    """
    if not isinstance(value, dict):
        return None
    dataset = value.get("dataset")
    dataset = dataset if isinstance(dataset, dict) else {}
    parents = value.get("parents")
    listed = parents[:MAX_PARENTS] if isinstance(parents, list) else []
    parsed = Provenance(
        base=_parse_model(value.get("base")),
        parents=tuple(parent for each in listed if (parent := _parse_model(each)) is not None),
        dataset_sha256=_parse_sha256(dataset.get("sha256")),
        pictures=_parse_pictures(dataset.get("pictures")),
        test=_parse_count(dataset.get("test"), _MAX_COUNT),
        metrics=_parse_metrics(value.get("metrics")),
        seed=_parse_count(value.get("seed"), _MAX_SEED),
        license=_parse_text(value.get("license"), _MAX_LICENSE),
    )
    return parsed if parsed != Provenance() else None


def describe_provenance(provenance: Provenance) -> list[tuple[str, str]]:
    """Return what is known as (name, sentence) for people."""
    lines = []
    if provenance.base is not None:
        lines.append(("base", f"{provenance.base.name} {provenance.base.version}"))
    if provenance.pictures:
        pictures = provenance.pictures
        some = ", ".join(f"{clean_text(label, 32)} {count}" for label, count in list(pictures.items())[:8])
        more = f", … ({len(pictures)} labels)" if len(pictures) > 8 else ""
        lines.append(("pictures", f"{sum(pictures.values())}: {some}{more}"))
    if provenance.dataset_sha256:
        lines.append(("dataset", provenance.dataset_sha256))
    if provenance.metrics is not None:
        lines.append(("measured", _describe_metrics(provenance.metrics)))
    if provenance.seed is not None:
        lines.append(("seed", str(provenance.seed)))
    if provenance.license:
        lines.append(("license", provenance.license))
    if provenance.parents:
        lines.append(("replaces", ", ".join(f"{parent.name} {parent.version}" for parent in provenance.parents)))
    return lines


def _describe_metrics(metrics: TrainingMetrics) -> str:
    parts = [f"{name} {_describe_value(metrics.figures[name])}" for name in _FIGURES if name in metrics.figures]
    threshold = "" if metrics.threshold is None else f" (threshold {metrics.threshold:g})"
    method = f" by {metrics.method}" if metrics.method else ""
    return f"{', '.join(parts) or 'nothing'}, on {metrics.pictures} pictures{method}{threshold}"


def _describe_value(figure: MetricValue) -> str:
    if figure.value is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{100 * figure.value:.0f} %"
    return f"{100 * figure.value:.0f} % (between {100 * figure.low:.0f} and {100 * figure.high:.0f})"


def _parse_model(value: Any) -> ModelIdentity | None:
    if not isinstance(value, dict):
        return None
    name, version = _parse_text(value.get("name"), _MAX_NAME), _parse_text(value.get("version"), _MAX_VERSION)
    sha256 = _parse_sha256(value.get("sha256"))
    if name is None or sha256 is None:
        return None
    return ModelIdentity(name, version or f"sha256:{sha256[:12]}", sha256)


def _parse_pictures(value: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for label, count in list(value.items())[:MAX_LABELS] if isinstance(value, dict) else ():
        name, number = _parse_text(label, _MAX_LABEL), _parse_count(count, _MAX_COUNT)
        if name is not None and number is not None:
            counts[name] = number
    return counts


def _parse_metrics(value: Any) -> TrainingMetrics | None:
    if not isinstance(value, dict) or (pictures := _parse_count(value.get("pictures"), _MAX_COUNT)) is None:
        return None
    figures = {name: figure for name in _FIGURES if (figure := _parse_figure(value.get(name))) is not None}
    return TrainingMetrics(
        pictures=pictures,
        method=_parse_text(value.get("method"), _MAX_METHOD),
        threshold=_parse_share(value.get("threshold")),
        calibration_error=_parse_share(value.get("calibrationError")),
        figures=figures,
    )


def _parse_figure(value: Any) -> MetricValue | None:
    if not isinstance(value, dict):
        return None
    return MetricValue(*(_parse_share(value.get(key)) for key in ("value", "low", "high")))


def _parse_share(value: Any) -> float | None:
    # bool is an int in Python; NaN fails the comparison.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return round(float(value), 6)


def _parse_count(value: Any, limit: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit else None


def _parse_sha256(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value) else None


def _parse_text(value: Any, limit: int) -> str | None:
    return (clean_text(value, limit) or None) if isinstance(value, str) else None
