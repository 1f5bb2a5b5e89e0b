"""The schema's classes come from LiteRT if it is installed; test_tflite_objects.py has the other ones."""

from importlib.util import find_spec

from appliance.workshop.training import tflite_schema


def test_classes_of_the_installed_package_are_used():
    home = "ai_edge_litert" if find_spec("ai_edge_litert") else "appliance.workshop.training.tflite_objects"
    assert tflite_schema.ModelT.__module__.startswith(home)
    assert tflite_schema.TensorType.INT8 == 9
