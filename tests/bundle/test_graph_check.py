"""Models for other devices and tasks are rejected before they are loaded, with what to use instead."""

import pytest

from appliance.bundle.graph_check import check_graph
from appliance.bundle.tflite_metadata import ModelFacts
from appliance.errors import BundleError
from support.tiny_bundles import assert_rejected
from support.tiny_models import tiny_model, write_tiny


def test_operators_of_tensorflow_are_named(tmp_path):
    model = tiny_model(ending="custom", custom_operator="FlexErf")
    assert_rejected(write_tiny(tmp_path / "flex", model), "FlexErf.*TFLITE_BUILTINS")


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (((1, 10, 4), (1, 10), (1, 10), (1,)), "object detector.*4 outputs"),
        (((1, 25200, 85),), r"object detector.*\[1, 25200, 85\]"),
        (((1, 64, 64, 21),), "segmentation"),
    ],
)
def test_models_for_other_tasks_are_named(shapes, reason):
    with pytest.raises(BundleError, match=reason):
        check_graph(ModelFacts(shapes, gives_probabilities=False), "it")


@pytest.mark.parametrize("shape", [(1, 5), (1, 1, 1, 1024), (1, 1, 5), (5,), ()])
def test_one_score_per_label_is_accepted(shape):
    check_graph(ModelFacts((shape,), gives_probabilities=True), "it")
