"""What a .tflite file says about itself, written: its metadata, and the label file that it carries.

Readers of TFLite metadata (the Task Library, MediaPipe, this project) find the labels and the input's normalisation
there and need nothing beside the file. Slots and numbers are those of tflite-support's metadata_schema.fbs (M001);
the label file is a zip appended to the model, as the TFLite metadata specification has it.
"""

import io
from collections.abc import Mapping, Sequence

import flatbuffers

from appliance.bundle.archive import write_zip

LABEL_FILE = "labels.txt"
_FEATURE, _IMAGE = 1, 2  # ContentProperties
_RGB = 1  # ColorSpaceType
_NORMALIZATION = 1  # ProcessUnitOptions
_AXIS_LABELS = 2  # AssociatedFileType
_OLDEST_PARSER = "1.0.0"


def append_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Appends the label file, stored and with a fixed date, so that the same labels give the same bytes."""
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    write_zip(file, [(LABEL_FILE, "".join(f"{label}\n" for label in labels).encode())], mode=0o600)
    return file.getvalue()


def build_metadata(name: str, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """The TFLITE_METADATA buffer of an image classifier that carries LABEL_FILE.

    Args:
        name: The model's, for people.
        mean, std: Of the input's normalisation, one value or one a channel.
    """
    builder = flatbuffers.Builder(512)
    # NormalizationOptions: 0 mean, 1 std. ProcessUnit: 0 options_type, 1 options.
    options = _table(builder, 2, {0: _floats(builder, mean), 1: _floats(builder, std)})
    unit = _table(builder, 2, {1: options}, {0: _NORMALIZATION})
    picture = _tensor(builder, "image", _content(builder, _IMAGE, _table(builder, 2, {}, {0: _RGB})), 4, [unit])
    # AssociatedFile: 0 name, 1 description, 2 type, 3 locale.
    file = _table(builder, 5, {0: builder.CreateString(LABEL_FILE)}, {2: _AXIS_LABELS})
    scores = _tensor(builder, "score", _content(builder, _FEATURE, _table(builder, 0, {})), 6, [file])
    # SubGraphMetadata: 2 input_tensor_metadata, 3 output_tensor_metadata.
    graph = _table(builder, 5, {2: _vector(builder, [picture]), 3: _vector(builder, [scores])})
    # ModelMetadata: 0 name, 3 subgraph_metadata, 7 min_parser_version.
    fields = {0: builder.CreateString(name), 3: _vector(builder, [graph]), 7: builder.CreateString(_OLDEST_PARSER)}
    builder.Finish(_table(builder, 8, fields), b"M001")
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, name: str, content: int, slot: int, entries: list[int]) -> int:
    # TensorMetadata: 0 name, 3 content, 4 process_units, 6 associated_files.
    return _table(builder, 7, {0: builder.CreateString(name), 3: content, slot: _vector(builder, entries)})


def _content(builder: flatbuffers.Builder, kind: int, properties: int) -> int:
    # Content: 0 content_properties_type, 1 content_properties.
    return _table(builder, 3, {1: properties}, {0: kind})


def _table(builder: flatbuffers.Builder, slots: int, offsets: Mapping[int, int], bytes_: Mapping[int, int] = {}) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in bytes_.items():
        builder.PrependUint8Slot(slot, value, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return builder.EndVector()
