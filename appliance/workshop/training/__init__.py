"""Train image classifiers on datasets: fit a new head to the features of a published model."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.workshop.training.train import TrainingRequest, TrainingResult, train_bundle

__all__ = ["TrainingRequest", "TrainingResult", "train_bundle"]

_MODULES = {"TrainingRequest": "train", "TrainingResult": "train", "train_bundle": "train"}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
