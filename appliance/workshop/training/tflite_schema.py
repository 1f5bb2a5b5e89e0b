"""The classes for tensorflow/lite/schema/schema.fbs: LiteRT's generated ones, else those of tflite_objects.py.

Import it as `from appliance.workshop.training import tflite_schema as schema`.
"""

from typing import Any

try:
    from ai_edge_litert import schema_py_generated as _classes
except ImportError:  # a system with tflite-runtime alone
    from appliance.workshop.training.tflite_objects import ObjectSchema

    _classes = ObjectSchema()


def __getattr__(name: str) -> Any:
    return getattr(_classes, name)
