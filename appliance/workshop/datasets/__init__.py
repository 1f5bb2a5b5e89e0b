"""Datasets for training and evaluation: folders, zips, and CSV indexes of labeled pictures."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.workshop.datasets.check import DatasetFinding, DatasetReport, check_dataset
    from appliance.workshop.datasets.dataset import Dataset, DevicePrediction, Example
    from appliance.workshop.datasets.obstacles import require_trainable
    from appliance.workshop.datasets.open import open_dataset
    from appliance.workshop.datasets.pack import PackResult, pack_dataset
    from appliance.workshop.datasets.problems import Problem, ProblemKind
    from appliance.workshop.datasets.split_assignment import assign_splits
    from appliance.workshop.datasets.split_names import SPLITS, Split

__all__ = [
    "SPLITS",
    "Dataset",
    "DatasetFinding",
    "DatasetReport",
    "DevicePrediction",
    "Example",
    "PackResult",
    "Problem",
    "ProblemKind",
    "Split",
    "assign_splits",
    "check_dataset",
    "open_dataset",
    "pack_dataset",
    "require_trainable",
]

_MODULES = {
    "SPLITS": "split_names",
    "Dataset": "dataset",
    "DatasetFinding": "check",
    "DatasetReport": "check",
    "DevicePrediction": "dataset",
    "Example": "dataset",
    "PackResult": "pack",
    "Problem": "problems",
    "ProblemKind": "problems",
    "Split": "split_names",
    "assign_splits": "split_assignment",
    "check_dataset": "check",
    "open_dataset": "open",
    "pack_dataset": "pack",
    "require_trainable": "obstacles",
}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
