"""Label pictures: compute a score for each label from a picture's pixels.

A Labeler has one loaded model and one view of the frames. Whatever the model stores (uint8, int8, float32,
probabilities or logits), callers always get probabilities from 0 to 1, one for each label, in order.

Whether an output contains logits is decided once, when the model is loaded:

1. If the first output comes from SOFTMAX or LOGISTIC (possibly through DEQUANTIZE, QUANTIZE, RESHAPE or SQUEEZE), or is
   a product of such outputs, it contains probabilities. So multi-label (sigmoid) outputs are not changed.
2. Otherwise, a quantized output that cannot store values outside of 0–1 contains probabilities.
3. Otherwise, a float output contains probabilities if its values in the trial run are in 0–1 and add up to 1.
4. Otherwise, the output contains logits, and softmax is applied (the logistic function if there is a single output).

A single output that separates two labels is the probability of the second one.
"""

import time

import numpy as np

from appliance.bundle.bundle import Bundle
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.label_search import describe_misfit, fits
from appliance.bundle.tflite_metadata import read_facts
from appliance.errors import BundleError
from appliance.imaging.view import View
from appliance.labeling.input_form import find_input_form
from appliance.labeling.interpreter import LoadedModel, Tensor
from appliance.labeling.preprocess import Preprocessor

_WHOLE_PICTURE = View()
_DTYPES = (np.uint8, np.int8, np.float32)


class Labeler:
    """A loaded model that labels pictures. Belongs to one thread at a time.

    Attributes:
        bundle: The bundle that the model came from.
        identity: The bundle's name, version and hash.
        labels: The labels in the order of the scores.
        view: Orientation and region of the frames.
        runtime: The runtime's name and version, such as "LiteRT 2.3.0".
        kernels: The runtime's kernels that compute the scores.
        form: The form of the model's input.
        input_px: (width, height) of the model's input.
        inference_ms: Wall time of the last invoke(), in milliseconds.
    """

    def __init__(self, bundle: Bundle, *, runtime: str = "auto", threads: int = 1, view: View = _WHOLE_PICTURE) -> None:
        """Load the model and run it once, so that the first frame takes no longer than the following ones.

        Args:
            bundle: The model and its labels.
            runtime: auto, litert or tflite-runtime.
            threads: The number of threads for the runtime's kernels.
            view: Orientation and region of the frames.

        Raises:
            BundleError: The model cannot be loaded or run, is not an image classifier, or does not have one output for
                each label.
            RuntimeMissingError: The runtime is not installed or does not work on this system.
        """
        self.bundle = bundle
        self.identity = bundle.identity
        self.labels = bundle.labels
        self.view = view
        display_name = str(bundle.source)
        model = bundle.read_model()
        try:
            facts = read_facts(model)
        except MalformedError as error:
            raise BundleError(f"{display_name} is damaged or truncated: {error}") from error
        self._model = LoadedModel(model, display_name, runtime, threads)
        self.runtime = self._model.runtime
        self.kernels = self._model.kernels
        picture, output = _check(self._model, bundle, display_name)
        self.form = find_input_form(picture, bundle.input, display_name)
        self.input_px = self.form.size_px
        self._preparer = Preprocessor(view, self.form)
        self._table = _build_dequantization_table(output)
        self._logits = self._splits_one_output = False
        self.inference_ms = 0.0
        trial = self.score(np.full((self.input_px[1], self.input_px[0], 3), 127, np.uint8))
        self._logits = not (facts.gives_probabilities or _has_probabilities(self._table, trial))
        self._splits_one_output = len(trial) == 1 and len(bundle.labels) == 2

    def score(self, pixels: np.ndarray) -> np.ndarray:
        """Label one picture.

        Args:
            pixels: (height, width, 3) uint8 RGB, as delivered by the camera.

        Returns:
            (labels,) float32, probabilities from 0 to 1; the array belongs to the caller.

        Raises:
            BundleError: The model cannot be run.
        """
        self.prepare(pixels)
        self.invoke()
        return self.read_scores()

    def prepare(self, pixels: np.ndarray) -> None:
        """Run the first stage of score(): crop, resize and rotate the picture, and pass it to the runtime."""
        self._model.write(self._preparer.prepare(pixels))

    def invoke(self) -> None:
        """Run the second stage: run the model on the prepared input."""
        started = time.perf_counter()
        self._model.invoke()
        self.inference_ms = (time.perf_counter() - started) * 1000

    def read_scores(self) -> np.ndarray:
        """Run the third stage: return the output as probabilities, (labels,) float32."""
        stored = self._model.read().reshape(-1)
        if self._table is None:
            values = stored
        else:
            values = self._table[stored if stored.dtype == np.uint8 else stored.view(np.uint8)]
        if self._logits and len(values) == 1:
            values = (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
        if self._splits_one_output:
            return np.concatenate((1 - values, values))
        if not self._logits or len(values) == 1:
            return values
        powers = np.exp(values - values.max())
        softmax: np.ndarray = powers / powers.sum()
        return softmax


def _check(model: LoadedModel, bundle: Bundle, display_name: str) -> tuple[Tensor, Tensor]:
    """Return the input and the output of an image classifier with this bundle's labels."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise _reject(
            display_name,
            f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs; a classifier has one of each",
        )
    picture, output = model.inputs[0], model.outputs[0]
    if not output.shape or any(size != 1 for size in output.shape[:-1]):
        raise _reject(display_name, f"its output is {list(output.shape)}, not [1, labels]")
    if output.dtype not in _DTYPES:
        raise _reject(display_name, f"its output is {output.dtype}, not uint8, int8 or float32")
    if not fits(bundle.labels, output.shape[-1]):
        raise BundleError(describe_misfit(display_name, bundle.labels, output.shape[-1]))
    return picture, output


def _reject(display_name: str, reason: str) -> BundleError:
    return BundleError(f"{display_name} is not an image classifier: {reason}")


def _build_dequantization_table(output: Tensor) -> np.ndarray | None:
    """Return the value of each of the 256 bytes an output can store, (256,) float32; None for float32 outputs."""
    if output.dtype == np.float32:
        return None
    stored = np.arange(256, dtype=np.uint8).view(output.dtype).astype(np.float64)
    # Without quantization, the byte itself is the value; it cannot be a probability, so it is treated as a logit.
    table: np.ndarray = ((stored - output.zero_point) * (output.scale or 1.0)).astype(np.float32)
    return table


def _has_probabilities(table: np.ndarray | None, trial: np.ndarray) -> bool:
    """Apply rules 2 and 3 of this module's docstring."""
    if table is not None:
        step = abs(float(table[1] - table[0]))
        return float(table.min()) >= -step / 2 and float(table.max()) <= 1 + step / 2
    return len(trial) > 1 and float(trial.min()) >= 0 and abs(float(trial.sum()) - 1) < 1e-3
