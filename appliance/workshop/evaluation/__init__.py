"""Evaluation of model bundles on labeled pictures: figures, thresholds, comparison, and the HTML report."""

from typing import TYPE_CHECKING, Any

from appliance.system.lazy import load_member

if TYPE_CHECKING:
    from appliance.workshop.datasets.split_names import Subset
    from appliance.workshop.evaluation.compare import compare_models
    from appliance.workshop.evaluation.difference import Comparison, ComparisonResult, Difference
    from appliance.workshop.evaluation.evaluate import Evaluation, EvaluationRequest, ModelEvaluation, evaluate_models
    from appliance.workshop.evaluation.html_report import write_report
    from appliance.workshop.evaluation.metrics import Counts, Predictions

__all__ = [
    "Comparison",
    "ComparisonResult",
    "Counts",
    "Difference",
    "Evaluation",
    "EvaluationRequest",
    "ModelEvaluation",
    "Predictions",
    "Subset",
    "compare_models",
    "evaluate_models",
    "write_report",
]

_MODULES = {
    "Comparison": "difference",
    "ComparisonResult": "difference",
    "Counts": "metrics",
    "Difference": "difference",
    "Evaluation": "evaluate",
    "EvaluationRequest": "evaluate",
    "ModelEvaluation": "evaluate",
    "Predictions": "metrics",
    "Subset": "selection",
    "compare_models": "compare",
    "evaluate_models": "evaluate",
    "write_report": "html_report",
}


def __getattr__(name: str) -> Any:
    return load_member(__name__, _MODULES, name)
