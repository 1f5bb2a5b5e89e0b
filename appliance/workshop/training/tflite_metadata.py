"""Write the metadata of a .tflite file and its embedded label file.

Readers of TFLite metadata (the Task Library, MediaPipe, this project) get the labels and the normalization of the input
from the metadata and need no other file. Slots and numbers are those of tflite-support's metadata_schema.fbs (M001);
the label file is in a zip that is appended to the model (TFLite metadata specification).
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
    """Append the label file, uncompressed and with a fixed date, so that the same labels give the same bytes."""
    file = io.BytesIO(model)
    file.seek(0, io.SEEK_END)
    write_zip(file, [(LABEL_FILE, "".join(f"{label}\n" for label in labels).encode())], mode=0o600)
    return file.getvalue()


def build_metadata(name: str, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """Build the TFLITE_METADATA buffer of an image classifier that contains LABEL_FILE.

    Args:
        name: The model's name for display.
        mean: The mean of the input's normalization, one value or one per channel.
        std: The standard deviation of the input's normalization; see `mean`.
    """
    builder = flatbuffers.Builder(512)
    # NormalizationOptions: 0 mean, 1 std. ProcessUnit: 0 options_type, 1 options.
    options = _write_table(builder, 2, {0: _write_floats(builder, mean), 1: _write_floats(builder, std)})
    unit = _write_table(builder, 2, {1: options}, {0: _NORMALIZATION})
    image = _write_content(builder, _IMAGE, _write_table(builder, 2, {}, {0: _RGB}))
    picture = _write_tensor(builder, "image", image, 4, [unit])
    # AssociatedFile: 0 name, 1 description, 2 type, 3 locale.
    file = _write_table(builder, 5, {0: builder.CreateString(LABEL_FILE)}, {2: _AXIS_LABELS})
    feature = _write_content(builder, _FEATURE, _write_table(builder, 0, {}))
    scores = _write_tensor(builder, "score", feature, 6, [file])
    # SubGraphMetadata: 2 input_tensor_metadata, 3 output_tensor_metadata.
    graph = _write_table(builder, 5, {2: _write_vector(builder, [picture]), 3: _write_vector(builder, [scores])})
    # ModelMetadata: 0 name, 3 subgraph_metadata, 7 min_parser_version.
    fields = {
        0: builder.CreateString(name),
        3: _write_vector(builder, [graph]),
        7: builder.CreateString(_OLDEST_PARSER),
    }
    builder.Finish(_write_table(builder, 8, fields), b"M001")
    return bytes(builder.Output())


def _write_tensor(builder: flatbuffers.Builder, name: str, content: int, slot: int, entries: list[int]) -> int:
    # TensorMetadata: 0 name, 3 content, 4 process_units, 6 associated_files.
    fields = {0: builder.CreateString(name), 3: content, slot: _write_vector(builder, entries)}
    return _write_table(builder, 7, fields)


def _write_content(builder: flatbuffers.Builder, kind: int, properties: int) -> int:
    # Content: 0 content_properties_type, 1 content_properties.
    return _write_table(builder, 3, {1: properties}, {0: kind})


def _write_table(
    builder: flatbuffers.Builder, slots: int, offsets: Mapping[int, int], numbers: Mapping[int, int] | None = None
) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in (numbers or {}).items():
        builder.PrependUint8Slot(slot, value, 0)
    return int(builder.EndObject())


def _write_vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _write_floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())
