"""Open a base for training: a published model that is cut at its pooled features.

Any TFLite image classifier or embedding extractor can be a base, with or without labels, because only its features
matter, not the classes for which it was trained. Therefore the labels of a bare .tflite are not read.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.bundle.bundle import MAX_MODEL_BYTES, read_bundle
from appliance.bundle.flatbuffer import MalformedError
from appliance.bundle.tflite_metadata import read_facts
from appliance.errors import BaseModelError, BundleError, describe_os_error
from appliance.labeling.interpreter import LoadedModel, Tensor
from appliance.workshop.training.tflite_graph import Graph, Pooled


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is ready to compute features.

    Attributes:
        display_name: The path as given by the user.
        trunk: The cut model as a .tflite file; its output is the pooled features as the model stores them.
        pooled: The output of the trunk.
        input_px: (width, height) of the input.
        input_dtype: uint8, int8, or float32.
        mean: The mean of the input's normalization, if the model's metadata specifies it (float32 only).
        std: The standard deviation of the input's normalization; see `mean`.
        sha256: The hash of the trunk; bases with equal trunks share their cached features.
        runtime: The name and version of the runtime; a different runtime may give slightly different features.
    """

    display_name: str
    trunk: bytes
    pooled: Pooled
    input_px: tuple[int, int]
    input_dtype: np.dtype
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    sha256: str
    runtime: str


def open_base(path: Path) -> Base:
    """Open a bundle (folder, .zip, or .tflite) or an embedding extractor (.tflite) as a base.

    Raises:
        BaseModelError: The file cannot be used as a base; the message states why.
        RuntimeMissingError: No TFLite runtime works on this system.
    """
    display_name = str(path)
    model = _read_model(Path(path))
    try:
        facts = read_facts(model)
    except MalformedError as error:
        raise BaseModelError(f"{display_name} is not a TFLite model, or is damaged or truncated: {error}") from error
    graph = Graph.parse(model, display_name)
    found = graph.find_pooled()
    (index,) = graph.cut(found.index)
    trunk = graph.pack([index], "features")
    picture, runtime = _run_once(trunk, display_name)
    if not _is_picture(picture) or picture.dtype not in (np.uint8, np.int8, np.float32):
        raise BaseModelError(
            f"{display_name} cannot be used as a base: its input is {picture.dtype} {list(picture.shape)}, not "
            "a picture [1, height, width, 3] of fixed size in uint8, int8, or float32"
        )
    pooled = Pooled(index, found.shape, found.dtype, found.scale, found.zero_point)
    size = picture.shape[2], picture.shape[1]
    sha256 = hashlib.sha256(trunk).hexdigest()
    return Base(display_name, trunk, pooled, size, picture.dtype, facts.mean, facts.std, sha256, runtime)


def _run_once(trunk: bytes, display_name: str) -> tuple[Tensor, str]:
    """Run the cut model once to make sure that it works; return its input and the runtime's name."""
    try:
        loaded = LoadedModel(trunk, display_name, "auto", 1)
        picture = loaded.inputs[0]
        if len(picture.shape) == 4 and not picture.resizable:
            loaded.write(np.zeros(picture.shape, picture.dtype))
            loaded.invoke()
    except (BundleError, ValueError) as error:
        raise BaseModelError(f"{display_name} cannot be used as a base: {error}") from error
    return picture, loaded.runtime


def _is_picture(tensor: Tensor) -> bool:
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[3] == 3 and not tensor.resizable


def _read_model(path: Path) -> bytes:
    try:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(8)[4:] == b"TFL3":
                    if path.stat().st_size > MAX_MODEL_BYTES:
                        raise BaseModelError(f"{path} is larger than the limit of {MAX_MODEL_BYTES >> 20} MiB")
                    file.seek(0)
                    return file.read()
        return read_bundle(path).read_model()
    except OSError as error:
        raise BaseModelError(f"{path} cannot be read: {describe_os_error(error)}") from error
    except BundleError as error:
        raise BaseModelError(f"{path} cannot be used as a base: {error}") from error
