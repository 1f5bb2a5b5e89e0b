"""The small network of the bundled model: trained with numpy alone, and written as a .tflite.

Five convolutions of 3×3 with stride 2 and ReLU, the average over the picture, one fully connected layer, softmax:
a network that needs no framework to be trained (the gradients are written out below) and only old, standard
operators to run, so that LiteRT and tflite-runtime both take it.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SIDE_PX = 96
CHANNELS = (3, 12, 20, 32, 48, 48)

# How the bytes of a picture become numbers, as the quantisation of the model's uint8 input: (byte − 128) / 64.
INPUT_SCALE, INPUT_ZERO = 1 / 64, 128

Array = np.ndarray


class Network:
    """The weights and their gradients. Convolution weights are (3·3·channels in, channels out)."""

    def __init__(self, labels: int, rng: np.random.Generator):
        sizes = [(9 * inside, outside) for inside, outside in zip(CHANNELS, CHANNELS[1:], strict=False)]
        sizes.append((CHANNELS[-1], labels))
        # He's start: the size of the signal stays the same through the layers.
        self.weights = [rng.normal(0, np.sqrt(2 / size[0]), size).astype(np.float32) for size in sizes]
        self.biases = [np.zeros(size[1], np.float32) for size in sizes]

    @property
    def parameters(self) -> list[Array]:
        return [*self.weights, *self.biases]

    def scores(self, pictures: Array) -> Array:
        """(n, SIDE_PX, SIDE_PX, 3) uint8 → (n, labels) float32 probabilities."""
        return self._forward(pictures)[0]

    def gradients(self, pictures: Array, labels: Array) -> tuple[float, list[Array]]:
        """The mean cross-entropy of a batch, and its gradients in the order of `parameters`."""
        scores, patches, outputs = self._forward(pictures)
        rows = np.arange(len(labels))
        loss = -np.log(np.maximum(scores[rows, labels], 1e-9)).mean()
        slope = scores.copy()
        slope[rows, labels] -= 1
        slope /= len(labels)
        last = outputs[-1]
        pooled = last.mean(axis=(1, 2))
        of_weights, of_biases = [pooled.T @ slope], [slope.sum(axis=0)]
        back = (slope @ self.weights[-1].T)[:, None, None, :] / (last.shape[1] * last.shape[2])
        back = np.broadcast_to(back, last.shape)
        for layer in reversed(range(len(self.weights) - 1)):
            flat = (back * (outputs[layer] > 0)).reshape(-1, outputs[layer].shape[3])
            of_weights.insert(0, patches[layer].T @ flat)
            of_biases.insert(0, flat.sum(axis=0))
            if layer:
                back = _spread(flat @ self.weights[layer].T, outputs[layer - 1].shape)
        return float(loss), [*of_weights, *of_biases]

    def _forward(self, pictures: Array) -> tuple[Array, list[Array], list[Array]]:
        signal = (pictures.astype(np.float32) - INPUT_ZERO) * np.float32(INPUT_SCALE)
        patches, outputs = [], []
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            cut = _patches(signal)
            half = signal.shape[1] // 2
            signal = np.maximum(cut @ weights + bias, 0).reshape(len(pictures), half, half, -1)
            patches.append(cut)
            outputs.append(signal)
        logits = signal.mean(axis=(1, 2)) @ self.weights[-1] + self.biases[-1]
        logits -= logits.max(axis=1, keepdims=True)
        scores = np.exp(logits)
        return scores / scores.sum(axis=1, keepdims=True), patches, outputs


def _patches(signal: Array) -> Array:
    """Each 3×3 neighbourhood, every second one, as a row. Of an even side TFLite's SAME pads the end alone."""
    count, side, _, channels = signal.shape
    padded = np.zeros((count, side + 1, side + 1, channels), np.float32)
    padded[:, :side, :side] = signal
    # Three neighbours of a row lie side by side in memory: taken as one run, they are copied three times as fast.
    lines = padded.reshape(count, side + 1, (side + 1) * channels)
    windows = np.lib.stride_tricks.sliding_window_view(lines, (3, 3 * channels), axis=(1, 2))
    return windows[:, ::2, :: 2 * channels].reshape(-1, 9 * channels)


def _spread(rows: Array, shape: tuple[int, ...]) -> Array:
    """The reverse of _patches: what each row holds is added where it was taken from."""
    count, side, _, channels = shape
    half = side // 2
    rows = rows.reshape(count, half, half, 3, 3, channels)
    padded = np.zeros((count, side + 2, side + 2, channels), np.float32)
    for y in range(3):
        for x in range(3):
            padded[:, y : y + side : 2, x : x + side : 2] += rows[:, :, :, y, x]
    return padded[:, :side, :side]


class Adam:
    """Kingma and Ba, 2015, with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    def __init__(self, parameters: list[Array], decay: float = 1e-3):
        self._parameters = parameters
        self._mean = [np.zeros_like(values) for values in parameters]
        self._square = [np.zeros_like(values) for values in parameters]
        self._decay = decay
        self._steps = 0

    def step(self, gradients: list[Array], rate: float) -> None:
        """Moves the parameters in place."""
        self._steps += 1
        for values, gradient, mean, square in zip(self._parameters, gradients, self._mean, self._square, strict=True):
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient * gradient - square)
            unbiased = np.sqrt(square / (1 - 0.999**self._steps)) + 1e-8
            values -= rate * (mean / (1 - 0.9**self._steps) / unbiased + self._decay * values)


class _Builder(flatbuffers.Builder):
    """Begins every vector of bytes at a multiple of 16, as the format's schema asks for buffers (Arm kernels rely on it)."""

    def CreateNumpyVector(self, x: Array) -> int:
        if x.dtype != np.uint8:
            return super().CreateNumpyVector(x)
        self.StartVector(1, x.size, 16)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        return self.EndVector()


class _Writer:
    """Collects tensors, operators and buffers; buffer 0 is the empty one that the format asks for."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.codes: list[schema.OperatorCodeT] = []
        self.buffers = [schema.BufferT()]

    def tensor(self, name: str, shape: tuple[int, ...], data: Array | None = None, kind: int = schema.TensorType.FLOAT32) -> int:
        """Adds a tensor, with its values where it is a constant, and gives its index."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), np.array(shape, np.int32), kind
        # Every tensor of the graph points at a buffer of its own; one without data is filled at run time.
        tensor.buffer = len(self.buffers)
        buffer = schema.BufferT()
        if data is not None:
            buffer.data = np.frombuffer(np.ascontiguousarray(data, "<f4").tobytes(), np.uint8)
        self.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: object | None = None) -> int:
        """Adds an operator, version 1, and gives its output's index."""
        known = [entry.builtinCode for entry in self.codes]
        if code not in known:
            entry = schema.OperatorCodeT()
            # All codes here are below 127: old readers look at the deprecated field, new ones at the larger of both.
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self.codes.append(entry)
            known.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = known.index(code)
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.graph.operators.append(operator)
        return output


def write_tflite(network: Network, description: str) -> bytes:
    """The network as a .tflite: [1, SIDE_PX, SIDE_PX, 3] uint8 in (plain bytes of RGB), [1, labels] float32 scores out."""
    writer, op, kinds = _Writer(), schema.BuiltinOperator, schema.BuiltinOptions
    picture = writer.tensor("picture", (1, SIDE_PX, SIDE_PX, 3), kind=schema.TensorType.UINT8)
    scaling = schema.QuantizationParametersT()
    scaling.scale, scaling.zeroPoint = np.array([INPUT_SCALE], np.float32), np.array([INPUT_ZERO], np.int64)
    writer.graph.tensors[picture].quantization = scaling
    signal = writer.tensor("signal", (1, SIDE_PX, SIDE_PX, 3))
    writer.operator(op.DEQUANTIZE, [picture], signal, kinds.DequantizeOptions, schema.DequantizeOptionsT())
    side = SIDE_PX
    for layer, (weights, bias) in enumerate(zip(network.weights[:-1], network.biases[:-1], strict=True), start=1):
        side, inside, outside = side // 2, CHANNELS[layer - 1], CHANNELS[layer]
        # TFLite wants (out, height, width, in).
        kernel = weights.reshape(3, 3, inside, outside).transpose(3, 0, 1, 2)
        constants = [
            writer.tensor(f"conv{layer}/weights", kernel.shape, kernel),
            writer.tensor(f"conv{layer}/bias", bias.shape, bias),
        ]
        options = schema.Conv2DOptionsT()
        options.padding, options.strideW, options.strideH = schema.Padding.SAME, 2, 2
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        output = writer.tensor(f"conv{layer}", (1, side, side, outside))
        signal = writer.operator(op.CONV_2D, [signal, *constants], output, kinds.Conv2DOptions, options)
    options = schema.Pool2DOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.VALID, side, side
    options.filterWidth = options.filterHeight = side
    pooled = writer.tensor("pooled", (1, 1, 1, CHANNELS[-1]))
    writer.operator(op.AVERAGE_POOL_2D, [signal], pooled, kinds.Pool2DOptions, options)
    weights, bias = network.weights[-1].T, network.biases[-1]
    head = [writer.tensor("head/weights", weights.shape, weights), writer.tensor("head/bias", bias.shape, bias)]
    logits = writer.tensor("logits", (1, len(bias)))
    writer.operator(op.FULLY_CONNECTED, [pooled, *head], logits, kinds.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    scores = writer.operator(op.SOFTMAX, [logits], writer.tensor("scores", (1, len(bias))), kinds.SoftmaxOptions, softmax)
    writer.graph.inputs, writer.graph.outputs = np.array([picture], np.int32), np.array([scores], np.int32)

    model = schema.ModelT()
    model.version, model.description = 3, description
    model.operatorCodes, model.subgraphs, model.buffers = writer.codes, [writer.graph], writer.buffers
    builder = _Builder(1 << 18)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
