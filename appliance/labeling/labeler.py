"""Labeler: a picture's pixels → a score for each label.

It holds one loaded model and one way of looking at frames. What a user may rely on: whatever the model stores (uint8,
int8, float32, probabilities or logits), scores come out as probabilities from 0 to 1, one for each label, in order.

Whether an output is logits is decided once, when the model is loaded:

1. A graph whose first output comes from SOFTMAX or LOGISTIC (seen through DEQUANTIZE, QUANTIZE, RESHAPE, SQUEEZE)
   gives probabilities, and so does a product of such. So multi-label (sigmoid) outputs are left alone.
2. Else, a quantised output that cannot store anything outside 0–1 gives probabilities.
3. Else, a float output gives probabilities where those of the trial run lie in 0–1 and add up to 1.
4. Else it gives logits: softmax is applied (the logistic function where there is a single output).
"""

import time

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.identity import ModelIdentity
from appliance.bundle.tflite_metadata import ModelFacts, read_facts
from appliance.errors import BundleError
from appliance.imaging.view import View
from appliance.labeling.interpreter import LoadedModel, Tensor
from appliance.labeling.preprocess import Preparer


class Labeler:
    """A loaded model that labels pictures. Belongs to one thread at a time.

    Attributes:
        bundle: What it was made from.
        identity: The bundle's name, version and hash.
        labels: In the order of the scores.
        runtime: The runtime's name and version, such as "LiteRT 2.3.0".
        input_px: (width, height) of the model's input.
        inference_ms: Wall time of the last invoke(), in milliseconds.
    """

    def __init__(self, bundle: Bundle, *, runtime: str = "auto", threads: int = 1, view: View = View()):
        """Loads the model and runs it once, so that the first frame takes no longer than the next.

        Args:
            bundle: The model and its labels.
            runtime: auto, litert or tflite-runtime.
            threads: For the runtime's kernels.
            view: How frames are to be looked at.

        Raises:
            BundleError: The model cannot be loaded or run, is no image classifier, or has another number of outputs
                than labels.
            RuntimeMissingError: The runtime is not installed or cannot work here.
        """
        self.bundle = bundle
        self.identity: ModelIdentity = bundle.identity
        self.labels = bundle.labels
        shown = str(bundle.source)
        model = bundle.read_model()
        try:
            facts = read_facts(model)
        except MalformedError as error:
            raise BundleError(f"{shown} is damaged or cut short: {error}.") from error
        self._model = LoadedModel(model, shown, runtime, threads)
        self.runtime = self._model.runtime
        picture, output = _check(self._model, bundle, shown)
        self.input_px = picture.shape[2], picture.shape[1]
        mean, std = _normalisation(facts, shown)
        self._preparer = Preparer(view, self.input_px, picture.dtype, mean, std)
        self._table = _dequantisation(output)
        self._logits = False
        self.inference_ms = 0.0
        trial = self.score(np.full((*picture.shape[1:3], 3), 127, np.uint8))
        self._logits = not (facts.gives_probabilities or _stores_probabilities(self._table, trial))

    def score(self, pixels: np.ndarray) -> np.ndarray:
        """Labels one picture.

        Args:
            pixels: (height, width, 3) uint8 RGB, as the camera gave it.

        Returns:
            (labels,) float32, probabilities from 0 to 1; the caller's own.

        Raises:
            BundleError: The model does not run.
        """
        self.prepare(pixels)
        self.invoke()
        return self.read_scores()

    def prepare(self, pixels: np.ndarray) -> None:
        """The first stage of scores(): cuts, resizes and turns the picture, and hands it to the runtime."""
        self._model.write(self._preparer.prepare(pixels))

    def invoke(self) -> None:
        """The second stage: runs the model on what was prepared."""
        started = time.perf_counter()
        self._model.invoke()
        self.inference_ms = (time.perf_counter() - started) * 1000

    def read_scores(self) -> np.ndarray:
        """The third stage: the output as probabilities, (labels,) float32."""
        stored = self._model.read().reshape(-1)
        if self._table is None:
            values = stored
        else:
            values = self._table[stored if stored.dtype == np.uint8 else stored.view(np.uint8)]
        if not self._logits:
            return values
        if len(values) == 1:
            return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
        powers = np.exp(values - values.max())
        return powers / powers.sum()


def _check(model: LoadedModel, bundle: Bundle, shown: str) -> tuple[Tensor, Tensor]:
    """The input and the output of an image classifier with this bundle's labels."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise BundleError(
            f"{shown} is not an image classifier: it has {len(model.inputs)} inputs and {len(model.outputs)} outputs "
            "where a classifier has one of each."
        )
    picture, output = model.inputs[0], model.outputs[0]
    if len(picture.shape) != 4 or picture.shape[0] != 1 or picture.shape[3] != 3:
        raise BundleError(
            f"{shown} is not an image classifier: its input is {list(picture.shape)}, not [1, height, width, 3]."
        )
    if picture.resizable:
        raise BundleError(f"{shown} leaves the size of its input open; export it with a fixed height and width.")
    if picture.dtype not in (np.uint8, np.int8, np.float32):
        raise BundleError(
            f"{shown} is not an image classifier: its input is {picture.dtype}, not uint8, int8 or float32."
        )
    if not output.shape or any(size != 1 for size in output.shape[:-1]):
        raise BundleError(f"{shown} is not an image classifier: its output is {list(output.shape)}, not [1, labels].")
    if output.dtype not in (np.uint8, np.int8, np.float32):
        raise BundleError(
            f"{shown} is not an image classifier: its output is {output.dtype}, not uint8, int8 or float32."
        )
    if output.shape[-1] != len(bundle.labels):
        raise BundleError(
            f"{shown} has {len(bundle.labels)} labels, and its model {output.shape[-1]} outputs: they do not belong together."
        )
    return picture, output


def _normalisation(facts: ModelFacts, shown: str) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    for name, values in (("mean", facts.mean), ("std", facts.std)):
        if values is None:
            continue
        if len(values) not in (1, 3) or not np.isfinite(values).all() or (name == "std" and 0 in values):
            raise BundleError(
                f"{shown}: the {name} in its metadata is {list(values)}; it must be 1 or 3 numbers (std not 0)."
            )
    return facts.mean, facts.std


def _dequantisation(output: Tensor) -> np.ndarray | None:
    """The value of each of the 256 bytes an output can store, as (256,) float32; None for float32 outputs."""
    if output.dtype == np.float32:
        return None
    stored = np.arange(256, dtype=np.uint8).view(output.dtype).astype(np.float64)
    # Without quantisation the byte itself is the value; that cannot be a probability, so it becomes a logit.
    return ((stored - output.zero_point) * (output.scale or 1.0)).astype(np.float32)


def _stores_probabilities(table: np.ndarray | None, trial: np.ndarray) -> bool:
    """Rules 2 and 3 of this module's docstring."""
    if table is not None:
        step = abs(float(table[1] - table[0]))
        return float(table.min()) >= -step / 2 and float(table.max()) <= 1 + step / 2
    return len(trial) > 1 and float(trial.min()) >= 0 and abs(float(trial.sum()) - 1) < 1e-3
