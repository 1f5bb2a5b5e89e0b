"""Read and write a .tflite file as the object tree of its schema (tensorflow/lite/schema/schema.fbs).

The generated classes in LiteRT do most of the work. Their writer does not align buffers to 16 bytes, which schema.fbs
requires and Arm processors need, so this module does.
"""

from typing import Any

import flatbuffers
import numpy as np

from appliance.errors import BaseModelError
from appliance.workshop.training import tflite_schema as schema

_ALIGNMENT_BYTES = 16


def parse_model(content: bytes, display_name: str) -> schema.ModelT:
    """Read a model with one graph, one input, and one output.

    Raises:
        BaseModelError: The model is damaged or cannot be edited.
    """
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        graphs = model.subgraphs or []
    except Exception as error:
        raise BaseModelError(f"{display_name} is damaged: its graph cannot be read") from error
    if len(graphs) != 1 or not graphs[0].operators or len(graphs[0].inputs) != 1 or len(graphs[0].outputs) != 1:
        raise BaseModelError(
            f"{display_name} cannot be used as a base: an image classifier or extractor has one graph with one input "
            "and one output"
        )
    if any((buffer.offset or 0) > 1 for buffer in model.buffers):
        raise BaseModelError(f"{display_name} cannot be used as a base: its weights are outside the flatbuffer")
    return model


def pack_model(model: schema.ModelT) -> bytes:
    """Return a model as a .tflite file with aligned buffers."""
    buffers = model.buffers
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in buffers]
    try:
        size = sum(0 if buffer.data is None else len(buffer.data) for buffer in buffers)
        builder = flatbuffers.Builder(size + (1 << 16))
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
    finally:
        model.buffers = buffers


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]  # the generated code has no types
    """A buffer at a multiple of 16 bytes, as schema.fbs requires."""

    def Pack(self, builder: flatbuffers.Builder) -> Any:  # noqa: N802 - the generated code's name
        data = None
        if self.data is not None and len(self.data):
            payload = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(payload), _ALIGNMENT_BYTES)
            builder.head -= len(payload)
            builder.Bytes[builder.head : builder.head + len(payload)] = payload
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)
