"""Second stage: what two larger models make of the photographs: soft targets, and features to come close to.

The teachers are general models of 224×224. A softmax head on their pooled features, sqrt(max(x, 0)), is fitted on the
training photographs of flowers and cross-fitted: what it says of a photograph and its copies comes from a fit that has
not seen that photograph, so that its doubts are real. The network also learns to guess the teachers' features: the
pooled ones, and at each place of the picture those of the first teacher's last and of a middle layer, which teach far
more from one picture than a label does. They look at every stored picture but the drawn scenes. Nothing of their
weights goes into the bundled model.
"""

import time
from concurrent.futures import ProcessPoolExecutor

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from gate import QUANTILE, distance, space
from places import DATA, LABELS, WORK
from prepare import Pictures, load
from sklearn.linear_model import LogisticRegression

# The layers of the first are watched at each place of a picture; of both the pooled features.
TEACHERS = ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", "tf2_mobilenet_v2_1.0_224_ptq.tflite")
EMBEDDING = 192
# Features at each place that are kept of the last layer and of the middle one, and how many places a side.
LAST, LAST_PLACES = 64, 7
MIDDLE, MIDDLE_PLACES = 48, 14
_PROJECTED_ON = 400
FOLDS, STRENGTHS = 5, (0.003, 0.01, 0.03)
_TEACHER_PX = 224

Array = np.ndarray


def watch() -> None:
    """Writes what the teachers' layers say: features.npy, (n, features) float16, NaN for what they did not see; places.npz."""
    began_s = time.monotonic()
    seen = np.flatnonzero(_seen(load()))
    few = np.sort(np.random.default_rng(0).choice(seen, _PROJECTED_ON, replace=False))
    _, last, middle = _features(few, None)
    projections = _projection(last, LAST), _projection(middle, MIDDLE)
    halves = seen[::2], seen[1::2]
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(_features, halves, (projections, projections)))
    features = np.full((len(load().label), parts[0][0].shape[1]), np.nan, np.float16)
    for half, part in zip(halves, parts, strict=True):
        features[half] = part[0]
    np.save(WORK / "features.npy", features)
    row = np.full(len(features), -1)
    row[np.concatenate(halves)] = np.arange(len(seen))
    last, middle = (np.concatenate([part[number] for part in parts]) for number in (1, 2))
    np.savez(WORK / "places.npz", row=row, last=last, middle=middle)
    print(f"the teachers' features of {len(seen):,} pictures, {time.monotonic() - began_s:.0f} s")


def teach() -> None:
    """Writes targets.npz: (n, labels + 1) float32 probabilities and (n, EMBEDDING) float32, about standardised or NaN."""
    pictures, features = load(), np.load(WORK / "features.npy").astype(np.float32)
    mean, axes = _projection(features[pictures.whole], EMBEDDING)
    embedding = ((features - mean) @ axes).astype(np.float32)
    np.savez(WORK / "targets.npz", targets=_cross_fitted(features, pictures), embedding=embedding)


def _seen(pictures: Pictures) -> Array:
    """(n,) bool: all but the drawn scenes, which no teacher was made for."""
    return ~pictures.of("scenes")


def cut_model(file: str) -> bytes:
    """A classifier whose outputs are its pooled features, what they are the mean of, and the last layer of 14×14 before it.

    Found by walking back from the output to the first AVERAGE_POOL_2D or MEAN, never by a fixed number.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs((DATA / "models" / file).read_bytes(), 0))
    graph = model.subgraphs[0]
    made_by = {int(output): operator for operator in graph.operators for output in operator.outputs}
    wanted = (schema.BuiltinOperator.AVERAGE_POOL_2D, schema.BuiltinOperator.MEAN)
    tensor = int(graph.outputs[0])
    while _code(model, made_by[tensor]) not in wanted:
        tensor = int(made_by[tensor].inputs[0])
    last = middle = int(made_by[tensor].inputs[0])
    while graph.tensors[middle].shape[1] != MIDDLE_PLACES:
        middle = int(made_by[middle].inputs[0])
    graph.outputs = np.array([tensor, last, middle], np.int32)
    graph.operators = graph.operators[: graph.operators.index(made_by[tensor]) + 1]
    model.metadata = model.signatureDefs = None
    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _code(model: schema.ModelT, operator: schema.OperatorT) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    # Old files keep it in the deprecated field.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


Projection = tuple[Array, Array]


class Teacher:
    """A larger model that says what it sees: its pooled features, its last layer, and the last one of 14×14."""

    def __init__(self, file: str):
        self._interpreter = Interpreter(model_content=cut_model(file), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = self._interpreter.get_output_details()

    def look(self, pixels: Array) -> list[Array]:
        """sqrt(max(x, 0)) of each output, float32: (features,), (places, places, channels) and the same of the middle."""
        picture = cv2.resize(pixels, (_TEACHER_PX, _TEACHER_PX), interpolation=cv2.INTER_LINEAR)
        self._interpreter.set_tensor(self._input, picture[None])
        self._interpreter.invoke()
        said = []
        for details in self._outputs:
            scale, zero_point = details["quantization"]
            values = self._interpreter.get_tensor(details["index"])[0].astype(np.float32)
            said.append(np.sqrt(np.maximum((values - zero_point) * np.float32(scale), 0)))
        said[0] = said[0].reshape(-1)
        return said


def _features(chosen: Array, projections: tuple[Projection, Projection] | None) -> tuple[Array, Array, Array]:
    """The pooled features of all teachers (n, features), and the first one's two layers (n, places, places, channels).

    All are float16. The layers are projected where there are projections, else they are whole.
    """
    pixels = load().pixels
    first, *others = (Teacher(file) for file in TEACHERS)
    results: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
    for number, index in enumerate(chosen):
        pooled, *layers = first.look(pixels[index])
        pooled = np.concatenate([pooled, *(other.look(pixels[index])[0] for other in others)])
        if projections:
            layers = [(values - mean) @ axes for values, (mean, axes) in zip(layers, projections, strict=True)]
        for values, kept in zip((pooled, *layers), results, strict=True):
            kept.append(values.astype(np.float16))
        if number % 1000 == 0:
            print(f"the teachers have seen {number:,} of {len(chosen):,}", flush=True)
    return np.stack(results[0]), np.stack(results[1]), np.stack(results[2])


def _projection(values: Array, count: int) -> Projection:
    """The mean, and the first directions in which values vary, scaled so that they vary by 1 on average."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float32)
    mean = flat.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(flat - mean, rowvar=False))
    # Not whitened altogether: the first directions matter more, but not as much more as they vary more.
    axes = axes[:, : -count - 1 : -1] / np.sqrt(np.sqrt(variance[: -count - 1 : -1]))
    return mean, (axes / ((flat - mean) @ axes).std()).astype(np.float32)


def _cross_fitted(features: Array, pictures: Pictures) -> Array:
    """(n, labels + 1) float32. The teachers are asked about photographs of flowers alone; all others keep their label.

    A copy that shows little of its flower lies far from what whole photographs of flowers are like: there the gate of
    gate.py gives to the background what it takes from the labels.
    """
    targets = np.eye(len(LABELS) + 1, dtype=np.float32)[pictures.label]
    flowers = pictures.of("flowers")
    fold = np.where(flowers, pictures.photo % FOLDS, -1)
    best = max(STRENGTHS, key=lambda strength: _rightly_named(features, pictures, fold, strength))
    far = np.zeros(len(targets))
    for number in range(FOLDS):
        use = flowers & pictures.whole & (fold != number)
        asked = fold == number
        head = _head(features[use], pictures.label[use], best)
        targets[asked, : len(LABELS)] = head.predict_proba(features[asked])
        far[asked] = distance(features[asked], *space(features[use]))
    whole = flowers & pictures.whole
    right = (targets[whole].argmax(axis=1) == pictures.label[whole]).mean()
    cut, width = np.quantile(far[whole], QUANTILE), far[whole].std() / 2
    opened = 1 / (1 + np.exp((far[flowers] - cut) / width))
    targets[flowers, :-1] *= opened[:, None]
    targets[flowers, -1] = 1 - opened
    print(
        f"teachers' head, cross-fitted with C={best}: {right:.3f} of the training flowers named right; of their copies"
    )
    print(f"  {(opened < 0.5).mean():.1%} show too little of a flower")
    return targets


def _rightly_named(features: Array, pictures: Pictures, fold: Array, strength: float) -> float:
    use, held = pictures.whole & (fold > 0), pictures.whole & (fold == 0)
    return float(_head(features[use], pictures.label[use], strength).score(features[held], pictures.label[held]))


def _head(features: Array, labels: Array, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, tol=1e-3, max_iter=300).fit(features, labels)
