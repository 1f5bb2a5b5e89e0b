"""Reject .tflite files that no image labeler can come from, with the reason and the remedy, before they are loaded."""

from appliance.bundle.tflite_metadata import ModelFacts
from appliance.errors import BundleError

_EDGE_TPU = "edgetpu-custom-op"
_DETECTOR = "TFLite_Detection_PostProcess"
_SHOWN_OPERATORS = 5
# An object detector gives boxes, classes, scores, and a count.
_DETECTOR_OUTPUTS = 4


def check_graph(facts: ModelFacts, display_name: str) -> None:
    """Reject a model for the Edge TPU, with TensorFlow's own operators, or for another task than labeling.

    Raises:
        BundleError: The message states what the model is and what to use instead.
    """
    if is_edge_tpu_model(facts):
        raise BundleError(
            f"{display_name} is compiled for the Edge TPU and runs only there; take the file without _edgetpu"
        )
    if flex := [name for name in facts.custom_operators if name.startswith("Flex")]:
        names = ", ".join(flex[:_SHOWN_OPERATORS]) + (", …" if len(flex) > _SHOWN_OPERATORS else "")
        raise BundleError(
            f"{display_name} needs operators of TensorFlow that a TFLite runtime does not contain ({names}); export it "
            "again with target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]"
        )
    if _DETECTOR in facts.custom_operators or len(facts.output_shapes) >= _DETECTOR_OUTPUTS:
        raise _reject_task(display_name, "an object detector", f"it has {len(facts.output_shapes)} outputs")
    shape = facts.output_shapes[0]
    # YOLO and others: [1, boxes, 5 or more values], or transposed.
    if len(facts.output_shapes) == 1 and len(shape) == 3 and min(shape[1:]) > 1:
        raise _reject_task(display_name, "an object detector", f"its output is {list(shape)}")
    if len(facts.output_shapes) == 1 and len(shape) == 4 and min(shape[1:3]) > 1:
        raise _reject_task(display_name, "a model for segmentation or heat maps", f"its output is {list(shape)}")


def is_edge_tpu_model(facts: ModelFacts) -> bool:
    """Return whether a model runs only on the Edge TPU."""
    return _EDGE_TPU in facts.custom_operators


def _reject_task(display_name: str, task: str, reason: str) -> BundleError:
    return BundleError(
        f"{display_name} is {task}, not an image classifier: {reason}; use a model that gives one score per label"
    )
