"""What a .tflite file says about itself: how its graph ends, how its input is normalised, which labels it carries.

Read from two flatbuffers. The model's slots are those of tensorflow/lite/schema/schema.fbs (identifier TFL3); the
metadata's, held in the model's buffer named TFLITE_METADATA, those of tflite-support's metadata_schema.fbs (M001).
Associated files are a zip archive appended to the model (TFLite metadata specification).

Metadata is advice: models in use lack it, or it points at nothing. Then what it would have said is unknown, and the
file is still read. The graph itself must hold together: `read_facts` follows every buffer to its end, so a file that
was cut short is found here, cheaply, and not by a runtime that crashes on it.
"""

import io
import logging
import struct
import zipfile
import zlib
from dataclasses import dataclass

from appliance.bundle.flatbuffer import MalformedError, Table, read_root

log = logging.getLogger(__name__)

MAX_LABEL_FILE_BYTES = 16 * 1024 * 1024

# BuiltinOperator of schema.fbs.
SOFTMAX, LOGISTIC, MUL = 25, 14, 18
# Operators that pass scores on as they are: DEQUANTIZE, RESHAPE, SQUEEZE, QUANTIZE.
_PASS_ON = {6, 22, 43, 114}
# AssociatedFileType and ProcessUnitOptions of metadata_schema.fbs.
_TENSOR_AXIS_LABELS = 2
_NORMALIZATION, _SCORE_THRESHOLDING = 1, 3
# All that zipfile raises on damaged, encrypted or exotic archives.
_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, RuntimeError, EOFError, OSError)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file that the metadata names; `locale` is an ISO 639-1 code such as "en", or empty."""

    name: str
    locale: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a .tflite file says about itself.

    Attributes:
        output_shapes: The shape of each output, as written in the file.
        gives_probabilities: Its first output comes from SOFTMAX or LOGISTIC, or is a product of such.
        mean, std: Of the input's normalisation (x − mean) / std, one value or one a channel; None: not said.
        score_threshold: Below it, its makers say, scores mean little; None: not said.
        label_files: The label files of its first output that the metadata names, in its order.
    """

    output_shapes: tuple[tuple[int, ...], ...]
    gives_probabilities: bool
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    score_threshold: float | None = None
    label_files: tuple[LabelFile, ...] = ()


def read_facts(model: bytes) -> ModelFacts:
    """Reads a .tflite file.

    Raises:
        MalformedError: It is not a .tflite file, or it is damaged or cut short.
    """
    table = read_root(model, b"TFL3")
    # Model: 1 operator_codes, 2 subgraphs, 4 buffers, 6 metadata. Buffer: 0 data. SubGraph: 0 tensors, 2 outputs.
    subgraphs = table.read_tables(2)
    if not subgraphs:
        raise MalformedError("it holds no graph")
    buffers = [buffer.read_numbers(0, "<u1") for buffer in table.read_tables(4)]
    tensors, outputs = subgraphs[0].read_tables(0), subgraphs[0].read_numbers(2, "<i4").tolist()
    if not outputs or not all(0 <= output < len(tensors) for output in outputs):
        raise MalformedError("its graph has no output")
    # Tensor: 0 shape, 3 name. All are read, not the outputs' alone: a file that was cut short shows it anywhere.
    read = [(tuple(tensor.read_numbers(0, "<i4").tolist()), tensor.read_text(3)) for tensor in tensors]
    shapes = tuple(read[output][0] for output in outputs)
    probabilities = _gives_probabilities(table, subgraphs[0], outputs[0])
    for entry in table.read_tables(6):  # Metadata: 0 name, 1 buffer
        place = entry.read_scalar(1, "I")
        if entry.read_text(0) == "TFLITE_METADATA" and place < len(buffers):
            try:
                return ModelFacts(shapes, probabilities, *_read_metadata(buffers[place].tobytes()))
            except MalformedError as error:
                log.warning("The model's metadata cannot be read (%s) and is left aside.", error)
    return ModelFacts(shapes, probabilities)


def _gives_probabilities(model: Table, graph: Table, output: int) -> bool:
    """Whether a tensor comes from SOFTMAX or LOGISTIC, looking through what passes it on; or is a product of such.

    A product is how a head lowers its scores for what it has not been taught.
    """
    # OperatorCode: 0 deprecated_builtin_code, 3 builtin_code; the greater counts (schema.fbs).
    codes = [max(code.read_scalar(0, "b"), code.read_scalar(3, "i")) for code in model.read_tables(1)]
    makers: dict[int, tuple[int, list[int]]] = {}
    # SubGraph: 3 operators. Operator: 0 opcode_index, 1 inputs, 2 outputs.
    for operator in graph.read_tables(3):
        index, inputs = int(operator.read_scalar(0, "I")), operator.read_numbers(1, "<i4").tolist()
        if index >= len(codes):
            raise MalformedError("an operator of its graph is not declared")
        makers.update((made, (codes[index], inputs)) for made in operator.read_numbers(2, "<i4").tolist())
    waiting = [output]
    while waiting:
        # Each step forgets the operator it took, so that a graph that bites its tail comes to an end too.
        code, inputs = makers.pop(waiting.pop(), (None, []))
        if code in _PASS_ON and inputs:
            waiting += inputs[:1]
        elif code == MUL and len(inputs) == 2:
            waiting += inputs
        elif code not in (SOFTMAX, LOGISTIC):
            return False
    return True


def _read_metadata(data: bytes) -> tuple:
    """The last four fields of ModelFacts."""
    # ModelMetadata: 3 subgraph_metadata. SubGraphMetadata: 2 input_tensor_metadata, 3 output_tensor_metadata.
    subgraphs = read_root(data, b"M001").read_tables(3)
    inputs, outputs = (subgraphs[0].read_tables(2), subgraphs[0].read_tables(3)) if subgraphs else ([], [])
    mean = std = threshold = None
    files: list[LabelFile] = []
    for unit, options in _process_units(inputs[:1]):
        if unit == _NORMALIZATION:  # NormalizationOptions: 0 mean, 1 std
            mean, std = (tuple(options.read_numbers(slot, "<f4").tolist()) or None for slot in (0, 1))
    for unit, options in _process_units(outputs[:1]):
        if unit == _SCORE_THRESHOLDING:  # ScoreThresholdingOptions: 0 global_score_threshold
            # Written as a 32-bit float: 0.35 comes back as 0.3499999940395355.
            threshold = round(options.read_scalar(0, "f"), 6)
    for tensor in outputs[:1]:  # TensorMetadata: 6 associated_files. AssociatedFile: 0 name, 2 type, 3 locale
        for file in tensor.read_tables(6):
            if file.read_scalar(2, "b") == _TENSOR_AXIS_LABELS:
                files.append(LabelFile(file.read_text(0) or "", file.read_text(3) or ""))
    return mean, std, threshold, tuple(files)


def _process_units(tensors: list[Table]) -> list[tuple[int, Table]]:
    # TensorMetadata: 4 process_units. ProcessUnit: 0 options_type, 1 options.
    units = [unit for tensor in tensors for unit in tensor.read_tables(4)]
    return [(int(unit.read_scalar(0, "B")), options) for unit in units if (options := unit.read_table(1)) is not None]


def extract_labels(model: bytes, facts: ModelFacts) -> tuple[str, bytes] | None:
    """The label file inside a .tflite file.

    Of several, the English one is taken (that is what people and dashboards read), by the metadata's locale and else
    by its name; then the one without a locale; then the first. Where the metadata names none that is there, the only
    text file inside counts.

    Returns:
        Its name and its bytes, or None where the file carries no labels.

    Raises:
        MalformedError: There are several text files and nothing says which, or the one is damaged or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(model))
    except _DAMAGED_ZIP:
        # No archive is appended; or bytes of the weights look like the end of one.
        return None
    with archive:
        inside = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        named = sorted((file for file in facts.label_files if file.name in inside), key=_preference)
        texts = sorted((LabelFile(name, "") for name in inside if name.lower().endswith(".txt")), key=_preference)
        if not named and not texts:
            return None
        if not named and len(texts) > 1 and _preference(texts[0]) == _preference(texts[1]):
            raise MalformedError(
                f"it holds several text files and nothing says which has the labels: {', '.join(inside)}"
            )
        name = (named or texts)[0].name
        if inside[name].file_size > MAX_LABEL_FILE_BYTES:
            raise MalformedError(f"its label file {name} would unpack to {inside[name].file_size} bytes")
        try:
            return name, archive.read(name)
        except _DAMAGED_ZIP as error:
            raise MalformedError(f"its label file {name} cannot be unpacked: {error}") from error


def _preference(file: LabelFile) -> int:
    stem = file.name.lower().removesuffix(".txt")
    if file.locale.lower().replace("_", "-").split("-")[0] == "en":
        return 0
    if not file.locale:
        return 1 if stem.endswith(("-en", "_en", ".en")) else 2
    return 3
