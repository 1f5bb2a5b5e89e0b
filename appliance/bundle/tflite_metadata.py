"""Read what a .tflite file declares: how its graph ends, how its input is normalized, which labels it contains.

The data is in two flatbuffers. The slots of the model are those of tensorflow/lite/schema/schema.fbs (identifier TFL3).
The slots of the metadata, which is in the model's buffer TFLITE_METADATA, are those of tflite-support's
metadata_schema.fbs (M001). Associated files are in a zip archive appended to the model (TFLite metadata specification).

Metadata is optional: some models in use have none, or have metadata that points nowhere. The values are then unknown,
and the file is still read. The graph itself must be consistent: `read_facts` follows every buffer to its end, so a
truncated file is detected cheaply, before it can crash a runtime.
"""

import dataclasses
import io
import logging
import struct
import zipfile
import zlib
from dataclasses import dataclass

from appliance.bundle.flatbuffer import MalformedError, Table, read_root
from appliance.system.foreign_text import clean_text

log = logging.getLogger("appliance.labeling")

MAX_LABEL_FILE_BYTES = 16 * 1024 * 1024

# BuiltinOperator of schema.fbs.
SOFTMAX, LOGISTIC, MUL = 25, 14, 18
# Operators that do not change scores: DEQUANTIZE, RESHAPE, SQUEEZE, QUANTIZE.
_PASS_ON = {6, 22, 43, 114}
# TensorType of schema.fbs, as far as pictures use it.
_TYPES = {0: "float32", 3: "uint8", 9: "int8"}
_OTHER_TYPE = "other"
# AssociatedFileType and ProcessUnitOptions of metadata_schema.fbs.
_TENSOR_AXIS_LABELS = 2
_NORMALIZATION, _SCORE_THRESHOLDING = 1, 3
# Everything that zipfile raises on damaged, encrypted or unsupported archives.
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, RuntimeError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class LabelFileEntry:
    """A label file that the metadata lists; `locale` is an ISO 639-1 code such as "en", or empty."""

    name: str
    locale: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The declarations of a .tflite file.

    Attributes:
        output_shapes: The shape of each output, as written in the file.
        gives_probabilities: Whether the first output comes from SOFTMAX or LOGISTIC, or is a product of such outputs.
        mean: The mean of the input normalization (x − mean) / std, one value or one per channel; None if not declared.
        std: See `mean`.
        score_threshold: Scores below this are meaningless according to the model's authors; None if not declared.
        label_files: The label files that the metadata lists for the first output, in the listed order.
        input_type: The type of the first input: float32, uint8, int8, or other.
        custom_operators: The names of the operators that are not part of TFLite, each once, in the file's order.
    """

    output_shapes: tuple[tuple[int, ...], ...]
    gives_probabilities: bool
    input_type: str = _OTHER_TYPE
    custom_operators: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    score_threshold: float | None = None
    label_files: tuple[LabelFileEntry, ...] = ()


def read_facts(model: bytes) -> ModelFacts:
    """Read the declarations of a .tflite file.

    Raises:
        MalformedError: The file is not a .tflite file, or is damaged or truncated.
    """
    table = read_root(model, b"TFL3")
    # Model: 1 operator_codes, 2 subgraphs, 4 buffers, 6 metadata. Buffer: 0 data. SubGraph: 0 tensors, 2 outputs.
    subgraphs = table.read_tables(2)
    if not subgraphs:
        raise MalformedError("it contains no graph")
    buffers = [buffer.read_numbers(0, "<u1") for buffer in table.read_tables(4)]
    tensors, outputs = subgraphs[0].read_tables(0), subgraphs[0].read_numbers(2, "<i4").tolist()
    if not outputs or not all(0 <= output < len(tensors) for output in outputs):
        raise MalformedError("its graph has no output")
    # Tensor: 0 shape, 3 name. All tensors are read, not only the outputs, because the file may be truncated anywhere.
    shapes = [(tuple(tensor.read_numbers(0, "<i4").tolist()), tensor.read_text(3))[0] for tensor in tensors]
    facts = ModelFacts(
        output_shapes=tuple(shapes[output] for output in outputs),
        gives_probabilities=_gives_probabilities(table, subgraphs[0], outputs[0]),
        input_type=_read_input_type(subgraphs[0], tensors),
        custom_operators=_read_custom_operators(table),
    )
    for entry in table.read_tables(6):  # Metadata: 0 name, 1 buffer
        index = entry.read_integer(1, "I")
        if entry.read_text(0) == "TFLITE_METADATA" and index < len(buffers):
            try:
                return _add_metadata(facts, buffers[index].tobytes())
            except MalformedError as error:
                log.warning("ignoring the model's metadata, which cannot be read: %s", error)
    return facts


def extract_labels(model: bytes, facts: ModelFacts) -> tuple[str, bytes] | None:
    """Extract the label file inside a .tflite file.

    If there are several, the English one is used (the language of dashboards and logs), identified by the metadata's
    locale or else by its name; then the one without a locale; then the first. If the metadata lists no existing file,
    the only text file inside is used.

    Returns:
        The label file's name and bytes, or None if the model contains no labels.

    Raises:
        MalformedError: There are several equivalent text files, or the file is damaged or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(model))
    except _ZIP_ERRORS:
        # No archive is appended, or bytes of the weights look like the end of one.
        return None
    with archive:
        files = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        listed = sorted((file for file in facts.label_files if file.name in files), key=_rank)
        texts = sorted((LabelFileEntry(name, "") for name in files if name.lower().endswith(".txt")), key=_rank)
        if not listed and not texts:
            return None
        if not listed and len(texts) > 1 and _rank(texts[0]) == _rank(texts[1]):
            raise MalformedError(
                f"it contains several text files but does not declare which one has the labels: {', '.join(files)}"
            )
        name = (listed or texts)[0].name
        if files[name].file_size > MAX_LABEL_FILE_BYTES:
            raise MalformedError(f"its label file {name} would unpack to {files[name].file_size} bytes")
        try:
            return name, archive.read(name)
        except _ZIP_ERRORS as error:
            raise MalformedError(f"its label file {name} cannot be unpacked: {error}") from error


def _rank(file: LabelFileEntry) -> int:
    stem = file.name.lower().removesuffix(".txt")
    if file.locale.lower().replace("_", "-").split("-")[0] == "en":
        return 0
    if not file.locale:
        return 1 if stem.endswith(("-en", "_en", ".en")) else 2
    return 3


def _gives_probabilities(model: Table, graph: Table, output: int) -> bool:
    """Return whether a tensor comes from SOFTMAX or LOGISTIC, possibly through operators that do not change it.

    A product of such outputs also counts: a head uses one to lower the scores of pictures unlike those in training.
    """
    # OperatorCode: 0 deprecated_builtin_code, 3 builtin_code; the greater value is the valid one (schema.fbs).
    codes = [max(code.read_integer(0, "b"), code.read_integer(3, "i")) for code in model.read_tables(1)]
    producers: dict[int, tuple[int, list[int]]] = {}
    # SubGraph: 3 operators. Operator: 0 opcode_index, 1 inputs, 2 outputs.
    for operator in graph.read_tables(3):
        index, inputs = operator.read_integer(0, "I"), operator.read_numbers(1, "<i4").tolist()
        if index >= len(codes):
            raise MalformedError("an operator of its graph is not declared")
        producers |= dict.fromkeys(operator.read_numbers(2, "<i4").tolist(), (codes[index], inputs))
    pending = [output]
    while pending:
        # Each step removes the operator that it followed, so that the loop ends even if the graph is cyclic.
        code, inputs = producers.pop(pending.pop(), (None, []))
        if code in _PASS_ON and inputs:
            pending += inputs[:1]
        elif code == MUL and len(inputs) == 2:
            pending += inputs
        elif code not in (SOFTMAX, LOGISTIC):
            return False
    return True


def _read_input_type(graph: Table, tensors: list[Table]) -> str:
    # SubGraph: 1 inputs. Tensor: 1 type.
    inputs = graph.read_numbers(1, "<i4").tolist()
    if not inputs or not 0 <= inputs[0] < len(tensors):
        return _OTHER_TYPE
    return _TYPES.get(tensors[inputs[0]].read_integer(1, "b"), _OTHER_TYPE)


def _read_custom_operators(model: Table) -> tuple[str, ...]:
    # OperatorCode: 1 custom_code.
    names = (code.read_text(1) for code in model.read_tables(1))
    return tuple(dict.fromkeys(clean_text(name, 100) for name in names if name))


def _add_metadata(facts: ModelFacts, data: bytes) -> ModelFacts:
    # ModelMetadata: 3 subgraph_metadata. SubGraphMetadata: 2 input_tensor_metadata, 3 output_tensor_metadata.
    subgraphs = read_root(data, b"M001").read_tables(3)
    inputs, outputs = (subgraphs[0].read_tables(2), subgraphs[0].read_tables(3)) if subgraphs else ([], [])
    mean = std = threshold = None
    for unit, options in _read_process_units(inputs[:1]):
        if unit == _NORMALIZATION:  # NormalizationOptions: 0 mean, 1 std
            mean, std = (tuple(options.read_numbers(slot, "<f4").tolist()) or None for slot in (0, 1))
    for unit, options in _read_process_units(outputs[:1]):
        if unit == _SCORE_THRESHOLDING:  # ScoreThresholdingOptions: 0 global_score_threshold
            # A 32-bit float: 0.35 is stored as 0.3499999940395355.
            threshold = round(options.read_scalar(0, "f"), 6)
    # TensorMetadata: 6 associated_files. AssociatedFile: 0 name, 2 type, 3 locale.
    files = [
        LabelFileEntry(file.read_text(0) or "", file.read_text(3) or "")
        for tensor in outputs[:1]
        for file in tensor.read_tables(6)
        if file.read_integer(2, "b") == _TENSOR_AXIS_LABELS
    ]
    return dataclasses.replace(facts, mean=mean, std=std, score_threshold=threshold, label_files=tuple(files))


def _read_process_units(tensors: list[Table]) -> list[tuple[int, Table]]:
    # TensorMetadata: 4 process_units. ProcessUnit: 0 options_type, 1 options.
    units = [unit for tensor in tensors for unit in tensor.read_tables(4)]
    return [(unit.read_integer(0, "B"), options) for unit in units if (options := unit.read_table(1)) is not None]
