"""A base for training: a published model, cut where its pooled features come out.

Any TFLite image classifier or embedding extractor serves, with or without labels: what it once told apart does not
matter, only how it sees. So a bare .tflite is taken without looking for its labels.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import MAX_MODEL_BYTES, read_bundle
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.tflite_metadata import read_facts
from appliance.errors import BaseModelError, BundleError
from appliance.labeling.interpreter import LoadedModel
from appliance.workshop.training.tflite_graph import Graph, Pooled


@dataclass(frozen=True, slots=True)
class Base:
    """A base, ready to give features.

    Attributes:
        shown: What people call it: the path that was given.
        trunk: The cut model as a .tflite file; its output is the pooled features as the model stores them.
        pooled: That output.
        input_px: (width, height) of the input.
        input_dtype: uint8, int8 or float32.
        mean, std: The input's normalisation where the model's metadata gives one (float32 only).
        sha256: Of the trunk, so that bases that see alike share their features.
        runtime: The name and version of what runs it here; another one may see a little differently.
    """

    shown: str
    trunk: bytes
    pooled: Pooled
    input_px: tuple[int, int]
    input_dtype: np.dtype
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    sha256: str
    runtime: str


def open_base(path: Path) -> Base:
    """Opens a bundle (folder, .zip or .tflite) or an embedding extractor (.tflite) as a base.

    Raises:
        BaseModelError: It cannot serve as one; the sentence says why.
        RuntimeMissingError: No TFLite runtime works here.
    """
    shown = str(path)
    model = _model_bytes(Path(path))
    try:
        facts = read_facts(model)
    except MalformedError as error:
        raise BaseModelError(f"{shown} is not a TFLite model, or is damaged or cut short: {error}.") from error
    graph = Graph(model, shown)
    found = graph.find_pooled()
    index = graph.cut(found.index)
    trunk = graph.pack(index, "features")
    try:
        # Also proves that what was cut still runs.
        loaded = LoadedModel(trunk, shown, "auto", 1)
        picture = loaded.inputs[0]
        if len(picture.shape) == 4 and not picture.resizable:
            loaded.write(np.zeros(picture.shape, picture.dtype))
            loaded.invoke()
    except (BundleError, ValueError) as error:
        raise BaseModelError(f"{shown} cannot serve as a base: {error}") from error
    fits = len(picture.shape) == 4 and picture.shape[0] == 1 and picture.shape[3] == 3 and not picture.resizable
    if not fits or picture.dtype not in (np.uint8, np.int8, np.float32):
        raise BaseModelError(
            f"{shown} cannot serve as a base: its input is {picture.dtype} {list(picture.shape)}, not a picture "
            "[1, height, width, 3] of fixed size in uint8, int8 or float32."
        )
    pooled = Pooled(index, found.shape, found.dtype, found.scale, found.zero_point)
    size = picture.shape[2], picture.shape[1]
    sha256 = hashlib.sha256(trunk).hexdigest()
    return Base(shown, trunk, pooled, size, picture.dtype, facts.mean, facts.std, sha256, loaded.runtime)


def _model_bytes(path: Path) -> bytes:
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(8)[4:] == b"TFL3":
                    if path.stat().st_size > MAX_MODEL_BYTES:
                        raise BaseModelError(f"{path} is larger than the {MAX_MODEL_BYTES >> 20} MiB that are read.")
                    file.seek(0)
                    return file.read()
        return read_bundle(path).read_model()
    except OSError as error:
        raise BaseModelError(f"{path} cannot be read: {error.strerror}.") from error
    except BundleError as error:
        raise BaseModelError(f"{path} cannot serve as a base: {error}") from error
