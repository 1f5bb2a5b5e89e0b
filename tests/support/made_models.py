"""Small .tflite files: a good one, and one for each way in which a model can be bad.

They are written with LiteRT's schema, so each is a valid file; its fault appears only when it is loaded or run. All
have an input of 8×8 px, uint8, and three scores.
"""

import flatbuffers
import numpy as np

from appliance.workshop.training import tflite_schema as schema

SIDE_PX = 8
LABELS = ("red", "green", "blue")


class _Graph:
    """One subgraph under construction: tensors and operators are added in order."""

    def __init__(self, model: "_Model"):
        self.model, self.graph = model, schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, shape, kind=schema.TensorType.FLOAT32, values=None, scale=None) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), kind, f"t{len(self.graph.tensors)}"
        tensor.buffer = self.model.buffer(values)
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values, dtype=np.int32) -> int:
        array = np.asarray(values, dtype)
        kind = {
            np.int32: schema.TensorType.INT32,
            np.float32: schema.TensorType.FLOAT32,
            np.bool_: schema.TensorType.BOOL,
        }[dtype]
        return self.tensor(array.shape, kind, array)

    def operator(self, name: str, inputs, outputs, options=None) -> None:
        """Add an operator: `name` as in schema.BuiltinOperator, `options` of its type."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self.model.opcode(getattr(schema.BuiltinOperator, name))
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(operator)

    def set_ends(self, inputs, outputs) -> None:
        self.graph.inputs, self.graph.outputs = list(inputs), list(outputs)


class _Model:
    """A model under construction."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "made for a test"
        self.model.buffers, self.model.operatorCodes, self.model.subgraphs = [schema.BufferT()], [], []
        self._codes: list[int] = []

    def buffer(self, values) -> int:
        if values is None:
            return 0
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def opcode(self, code: int) -> int:
        if code not in self._codes:
            self._codes.append(code)
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            self.model.operatorCodes.append(entry)
        return self._codes.index(code)

    def graph(self) -> _Graph:
        graph = _Graph(self)
        self.model.subgraphs.append(graph.graph)
        return graph

    def pack(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _means(graph: _Graph) -> tuple[int, int]:
    """Add the picture as input, and the mean of each of its three colors as floats [1, 3]."""
    picture = graph.tensor((1, SIDE_PX, SIDE_PX, 3), schema.TensorType.UINT8, scale=1.0)
    floats = graph.tensor((1, SIDE_PX, SIDE_PX, 3))
    graph.operator("CAST", [picture], [floats], schema.CastOptionsT())
    means = graph.tensor((1, 3))
    axes = graph.constant([1, 2])
    graph.operator("MEAN", [floats, axes], [means], schema.ReducerOptionsT())
    return picture, means


def _softmax(graph: _Graph, picture: int, scores: int) -> None:
    output = graph.tensor((1, 3))
    options = schema.SoftmaxOptionsT()
    options.beta = 0.05
    graph.operator("SOFTMAX", [scores], [output], options)
    graph.set_ends([picture], [output])


def good(salt: int = 0) -> bytes:
    """Return a model that labels the strongest color; `salt` changes the bytes and nothing else."""
    model = _Model()
    graph = model.graph()
    picture, means = _means(graph)
    _softmax(graph, picture, means)
    model.model.description = f"made for a test {salt}"
    return model.pack()


def not_numbers() -> bytes:
    """Return a model whose scores are all NaN: square roots of negative numbers."""
    model = _Model()
    graph = model.graph()
    picture, means = _means(graph)
    below, root = graph.tensor((1, 3)), graph.tensor((1, 3))
    graph.operator("SUB", [means, graph.constant([[1000.0] * 3], np.float32)], [below], schema.SubOptionsT())
    graph.operator("SQRT", [below], [root])
    _softmax(graph, picture, root)
    return model.pack()


def fails_on_bright() -> bytes:
    """Return a model that cannot label a picture in which the mean of a color is 128 or more: an index out of range."""
    model = _Model()
    graph = model.graph()
    picture, means = _means(graph)
    share, index, scores = graph.tensor((1, 3)), graph.tensor((1, 3), schema.TensorType.INT32), graph.tensor((1, 3))
    graph.operator("MUL", [means, graph.constant([[1 / 128] * 3], np.float32)], [share], schema.MulOptionsT())
    graph.operator("CAST", [share], [index], schema.CastOptionsT())
    graph.operator("GATHER", [graph.constant([0.5], np.float32), index], [scores], schema.GatherOptionsT())
    _softmax(graph, picture, scores)
    return model.pack()


def needs_memory(floats: int) -> bytes:
    """Return a model that copies a number to an array of `floats` elements, 4 bytes each, in one block."""
    model = _Model()
    graph = model.graph()
    picture, means = _means(graph)
    wide, sums = graph.tensor((floats // 3, 3)), graph.tensor((1, 3))
    graph.operator("TILE", [means, graph.constant([floats // 3, 1])], [wide], schema.TileOptionsT())
    options = schema.ReducerOptionsT()
    options.keepDims = True
    graph.operator("MEAN", [wide, graph.constant([0])], [sums], options)
    _softmax(graph, picture, sums)
    return model.pack()


def _loop(hold: bool, only_bright: bool = False) -> bytes:
    """Return a model with a WHILE over its means: subgraph 1 is the condition, subgraph 2 the body."""
    model = _Model()
    main, condition = model.graph(), model.graph()
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    picture, means = _means(main)
    looped = main.tensor((1, 3))
    main.operator("WHILE", [means], [looped], options)
    _softmax(main, picture, looped)

    carried, same = condition.tensor((1, 3)), condition.tensor((1, 3), schema.TensorType.BOOL)
    if only_bright:
        bright = condition.constant([[128.0] * 3], np.float32)
        condition.operator("GREATER", [carried, bright], [same], schema.GreaterOptionsT())
    else:
        condition.operator("EQUAL", [carried, carried], [same], schema.EqualOptionsT())
    condition_result = condition.tensor((), schema.TensorType.BOOL)
    condition.operator("REDUCE_ALL", [same, condition.constant([0, 1])], [condition_result], schema.ReducerOptionsT())
    condition.set_ends([carried], [condition_result])

    body = model.graph()
    before, after = body.tensor((1, 3)), body.tensor((1, 3))
    if hold:
        body.operator("ABS", [before], [after], schema.AbsOptionsT())
    else:
        body.operator("WHILE", [before], [after], options)
    body.set_ends([before], [after])
    return model.pack()


def never_ends() -> bytes:
    """Return a model with a loop whose condition is always true."""
    return _loop(hold=True)


def never_ends_on_bright() -> bytes:
    """Return a model with a loop that ends only if the mean of a color is at most 128."""
    return _loop(hold=True, only_bright=True)


def crashes() -> bytes:
    """Return a model with a loop whose body contains the same loop: preparing it overflows the stack."""
    return _loop(hold=False)
