"""Measure what each form of a model's input costs, compared with a loop written by hand for that one form.

    scripts/bench-models

The models compute the mean of each channel, so that their own time does not hide the preparation. The frames are
1280×720. Frames of the labeler and of the loop alternate in one run; both are measured as CPU time, by their medians.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from appliance.bundle.bundle import read_bundle
from appliance.labeling.interpreter import LoadedModel
from appliance.labeling.labeler import Labeler
from support.tiny_models import tiny_model, write_tiny

_ROUNDS = 400
_SIZE = 224
_GRAY = (1, _SIZE, _SIZE, 1)
_COLOR = (1, _SIZE, _SIZE, 3)
_CHANNELS_FIRST = (1, 3, _SIZE, _SIZE)


def main() -> None:
    """Print one line per form: CPU time of the labeler, of the loop by hand, and their ratio."""
    pixels = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, manifest, prepare) in _list_forms().items():
            labels = "gray\n" if "one channel" in name else "red\ngreen\nblue\n"
            bundle = read_bundle(write_tiny(Path(folder) / name.replace(" ", "-"), model, labels, manifest))
            labeler, loaded = Labeler(bundle), LoadedModel(model, name, "auto", 1)

            def by_hand(loaded: LoadedModel = loaded, prepare: Callable[..., np.ndarray] = prepare) -> None:
                loaded.write(prepare(pixels))
                loaded.invoke()
                scores, output = loaded.read().reshape(-1).astype(np.float32), loaded.outputs[0]
                if output.scale:
                    scores = (scores - output.zero_point) * output.scale

            ours, theirs = _measure(partial(labeler.score, pixels), by_hand)
            print(f"{name:32} {ours:7.3f} ms   by hand {theirs:7.3f} ms   ratio {ours / theirs:.2f}", flush=True)


def _list_forms() -> dict[str, tuple[bytes, str, Callable[[np.ndarray], np.ndarray]]]:
    """Return the model, the manifest, and the preparation by hand of each form."""

    def manifest(**keys: object) -> str:
        return json.dumps({"modelFile": "model.tflite", "labelsFile": "dict.txt", **keys})

    def resize(pixels: np.ndarray) -> np.ndarray:
        return cv2.resize(pixels, (_SIZE, _SIZE), interpolation=cv2.INTER_LINEAR)

    def gray(pixels: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(resize(pixels), cv2.COLOR_RGB2GRAY)

    def scale(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32) / np.float32(255)

    unit, levels = manifest(inputRange=[0, 1]), manifest(inputRange=[0, 255])
    return {
        "uint8": (tiny_model("uint8", input_shape=_COLOR), manifest(), lambda frame: resize(frame)[np.newaxis]),
        "int8": (
            tiny_model("int8", input_shape=_COLOR),
            manifest(),
            lambda frame: (resize(frame).astype(np.int16) - 128).astype(np.int8)[np.newaxis],
        ),
        "float 0..1": (tiny_model(input_shape=_COLOR), unit, lambda frame: scale(resize(frame))[np.newaxis]),
        "float 0..255": (
            tiny_model(input_shape=_COLOR),
            levels,
            lambda frame: resize(frame).astype(np.float32)[np.newaxis],
        ),
        "float BGR": (
            tiny_model(input_shape=_COLOR),
            manifest(inputRange=[0, 1], channelOrder="BGR"),
            lambda frame: scale(cv2.cvtColor(resize(frame), cv2.COLOR_RGB2BGR))[np.newaxis],
        ),
        "float channels first": (
            tiny_model(input_shape=_CHANNELS_FIRST, channels_first=True),
            unit,
            lambda frame: np.ascontiguousarray(scale(resize(frame)).transpose(2, 0, 1))[np.newaxis],
        ),
        "uint8 crop": (
            tiny_model("uint8", input_shape=_COLOR),
            manifest(resize="crop"),
            lambda frame: resize(frame[:, 280:1000])[np.newaxis],
        ),
        "uint8 letterbox": (tiny_model("uint8", input_shape=_COLOR), manifest(resize="letterbox"), _letterbox),
        "uint8 one channel": (
            tiny_model("uint8", None, input_shape=_GRAY),
            manifest(),
            lambda frame: gray(frame)[np.newaxis, ..., np.newaxis],
        ),
        "float one channel": (
            tiny_model("float32", None, input_shape=_GRAY),
            unit,
            lambda frame: scale(gray(frame))[np.newaxis, ..., np.newaxis],
        ),
    }


def _letterbox(frame: np.ndarray) -> np.ndarray:
    picture = np.zeros((_SIZE, _SIZE, 3), np.uint8)
    picture[49:175] = cv2.resize(frame, (_SIZE, 126), interpolation=cv2.INTER_LINEAR)
    return picture[np.newaxis]


def _measure(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float]:
    """Return the median CPU milliseconds of two functions that alternate."""
    times_ns: tuple[list[int], list[int]] = ([], [])
    for index in range(-_ROUNDS // 10, _ROUNDS):
        for run, times in zip((ours, theirs), times_ns, strict=True):
            start_ns = time.process_time_ns()
            run()
            if index >= 0:
                times.append(time.process_time_ns() - start_ns)
    first, second = (statistics.median(times) / 1e6 for times in times_ns)
    return first, second


if __name__ == "__main__":
    main()
