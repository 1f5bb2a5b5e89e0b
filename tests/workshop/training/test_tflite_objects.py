"""The schema's objects without LiteRT are the same as LiteRT's."""

import subprocess
import sys

import flatbuffers
import numpy as np
import pytest

from appliance.bundle.bundle import read_bundle
from appliance.errors import BaseModelError
from appliance.workshop.training.tflite_objects import ObjectSchema, make_table_class
from support.paths import CHILD_ENVIRONMENT, FLOWERS

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
OBJECTS = ObjectSchema()


def describe(tree, known):
    """Return an object tree as plain values; an empty list and none are the same.

    Args:
        tree: The tree.
        known: A tree of this module's objects for the same model: LiteRT's schema is newer and has more fields.
    """
    if isinstance(tree, np.ndarray):
        return tree.tolist() or None
    if isinstance(tree, list):
        return [describe(*pair) for pair in zip(tree, known, strict=True)] or None
    if not hasattr(tree, "__dict__"):
        return tree
    # The accessors return the code of old files, which have it only in another field.
    return {name: describe(vars(tree)[name], vars(known)[name]) for name in vars(known) if name != "builtinCode"}


def parse(classes, content):
    return classes.ModelT.InitFromObj(classes.Model.GetRootAs(content, 0))


def pack(model):
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_model_is_read_and_written_as_by_litert():
    content = read_bundle(FLOWERS).read_model()
    expected, model = parse(schema, content), parse(OBJECTS, content)
    assert describe(model, model) == describe(expected, model)
    assert describe(parse(schema, pack(model)), model) == describe(expected, model)


@pytest.mark.parametrize(
    "name",
    ["Conv2DOptions", "SoftmaxOptions", "QuantizationParameters", "Tensor", "OperatorCode", "SubGraph", "Metadata"],
)
def test_new_objects_have_the_same_attributes_and_defaults(name):
    made, expected = vars(make_table_class(name)()), vars(getattr(schema, f"{name}T")())
    assert made == {attribute: expected[attribute] for attribute in made}
    assert set(expected) - set(made) <= {"externalBuffer"}, "fields that tflite-runtime does not know either"


def test_fields_can_be_given_in_order_and_by_name():
    for classes in (schema, OBJECTS):
        buffer = classes.BufferT([1, 2], size=3)
        assert (buffer.data, buffer.offset, buffer.size) == ([1, 2], 0, 3)


def test_texts_numbers_and_tables_are_written():
    tensor = OBJECTS.TensorT()
    tensor.name, tensor.shape, tensor.quantization = "a", [1, 2], OBJECTS.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5], [-3]
    builder = flatbuffers.Builder(100)
    builder.Finish(tensor.Pack(builder))
    read = schema.TensorT.InitFromObj(schema.Tensor.GetRootAs(bytes(builder.Output()), 0))
    assert (read.name, list(read.shape), list(read.quantization.scale)) == (b"a", [1, 2], [0.5])
    assert list(read.quantization.zeroPoint) == [-3]


def test_unknown_options_are_an_error():
    flat = OBJECTS.Model.GetRootAs(read_bundle(FLOWERS).read_model(), 0)
    graph = flat.Subgraphs(0)
    known = next(each for each in map(graph.Operators, range(graph.OperatorsLength())) if each.BuiltinOptions())
    newer = type("Operator", (type(known),), {"BuiltinOptionsType": lambda self: 250})()
    newer.Init(known._tab.Bytes, known._tab.Pos)
    with pytest.raises(BaseModelError, match="unknown kind"):
        make_table_class("Operator").InitFromObj(newer)


def test_graphs_are_made_without_litert():
    program = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from appliance.workshop.training import tflite_schema as schema\n"
        "from appliance.workshop.training.tflite_head import *\n"
        "from support.tiny_models import tiny_model\n"
        "assert schema.ModelT.__module__.endswith('tflite_objects')\n"
        "sys.stdout.buffer.write(tiny_model())"
    )
    done = subprocess.run([sys.executable, "-c", program], env=CHILD_ENVIRONMENT, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert parse(schema, done.stdout).subgraphs
