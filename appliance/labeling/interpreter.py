"""Run a model with the TFLite runtime: LiteRT, or its predecessor tflite-runtime.

Both are the same interpreter under two names; which one can be installed depends on the system. Only this module
distinguishes them. The model is passed as bytes, not as a path, because the process would end with a bus error if
another program rewrote a mapped file in place.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.errors import BundleError, RuntimeMissingError, suggest_install
from appliance.labeling.kernels import find_kernels
from appliance.labeling.native_messages import hide_notices
from appliance.system.foreign_text import clean_text

_MAX_COLLECTED = 64 * 1024

# The runtime's advice is for developers of TensorFlow programs.
_ADVICE = re.compile(r"See instructions:? \S+")
_MAX_CLAUSE_CHARS, _MAX_REASON_CHARS = 300, 600

_chosen = "auto"


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output: value = (stored − zero_point) · scale if it is quantized; scale is 0 if it is not."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float
    zero_point: int
    resizable: bool


class LoadedModel:
    """A model that is ready to run. Belongs to one thread at a time; invoke() lets other threads run meanwhile.

    Attributes:
        runtime: The runtime's name and version.
        kernels: The kernels that compute the model.
        inputs: The inputs in the model's order.
        outputs: The outputs in the model's order.
    """

    def __init__(self, model: bytes, display_name: str, runtime: str, threads: int) -> None:
        """Load a model.

        Args:
            model: The bytes of a .tflite file.
            display_name: How to refer to the model in errors.
            runtime: auto (LiteRT if it works, else tflite-runtime), litert or tflite-runtime.
            threads: The number of threads for the runtime's kernels.

        Raises:
            BundleError: The runtime rejects the model.
            RuntimeMissingError: The runtime is not installed or does not work on this system.
        """
        interpreter_class, self.runtime = _find_runtime(runtime)
        self._display_name = display_name
        self._last_error = ""

        def load() -> Any:
            with hide_notices():
                interpreter = interpreter_class(model_content=model, num_threads=threads)
                interpreter.allocate_tensors()
            return interpreter

        try:
            self._interpreter = load()
        except (ValueError, RuntimeError, TypeError) as error:
            raise BundleError(f"{display_name} cannot be loaded by {self.runtime}: {_format_reason(error)}") from error
        self._load_again = load
        self.kernels = find_kernels(self._interpreter)
        # Reading the details takes longer than an inference of a small model, so it is done only once.
        self.inputs = tuple(_parse_tensor(details) for details in self._interpreter.get_input_details())
        self.outputs = tuple(_parse_tensor(details) for details in self._interpreter.get_output_details())

    def write(self, values: np.ndarray) -> None:
        """Copy values into the first input; they must have the shape and dtype of `inputs[0]`."""
        self._interpreter.set_tensor(self.inputs[0].index, values)

    def invoke(self) -> None:
        """Run the model on the written input.

        Raises:
            BundleError: The model cannot be run.
        """
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            reason = self._take_new_reason(error)
            raise BundleError(f"{self._display_name} cannot be run by {self.runtime}: {reason}") from error

    def read(self, index: int = 0) -> np.ndarray:
        """Return a copy of an output, by its index in `outputs`."""
        output: np.ndarray = self._interpreter.get_tensor(self.outputs[index].index)
        return output

    def _take_new_reason(self, error: Exception) -> str:
        """Return what the runtime added to its message since the last failure.

        LiteRT collects the messages of all failures of an interpreter and never clears them, so the interpreter is
        replaced when they have become long.
        """
        text = str(error)
        new = text.removeprefix(self._last_error).lstrip(".")
        self._last_error = text
        if len(text) > _MAX_COLLECTED:
            self._interpreter, self._last_error = self._load_again(), ""
        return _format_reason(type(error)(new))


def choose_runtime(runtime: str) -> None:
    """Set what `auto` stands for in this process: a command labels with the runtime that the device's settings name.

    Args:
        runtime: auto, litert or tflite-runtime.
    """
    global _chosen  # noqa: PLW0603 - one choice for the whole process, as for the daemon
    _chosen = runtime


def resolve_runtime(runtime: str) -> str:
    """Return the runtime to pass to another process: the one that was chosen for this one if it is auto."""
    return _chosen if runtime == "auto" else runtime


def _parse_tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    # The signature has −1 for a dynamic dimension; a dynamic batch size is acceptable, and is used with one picture.
    signature = details.get("shape_signature", details["shape"])
    resizable = bool((np.asarray(signature)[1:] < 0).any())
    shape = tuple(int(size) for size in details["shape"])
    return Tensor(int(details["index"]), shape, np.dtype(details["dtype"]), float(scale), int(zero_point), resizable)


def _format_reason(error: Exception) -> str:
    """Return the runtime's message on one line: each clause once, without its advice and its final period."""
    lines = (_ADVICE.sub(" ", line).strip() for line in str(error).splitlines())
    clauses = dict.fromkeys(clean_text(line, _MAX_CLAUSE_CHARS).rstrip(".") for line in lines if line)
    return clean_text("; ".join(clauses), _MAX_REASON_CHARS) or type(error).__name__


def _find_runtime(wanted: str) -> tuple[Any, str]:
    """Return the interpreter class and the runtime's name."""
    importers = {"litert": _import_litert, "tflite-runtime": _import_tflite_runtime}
    reasons = []
    wanted = resolve_runtime(wanted)
    for name in importers if wanted == "auto" else [wanted]:
        try:
            return importers[name]()
        except RuntimeMissingError as error:
            reasons.append(str(error))
    if wanted == "auto":
        raise RuntimeMissingError("; ".join(reasons))
    raise RuntimeMissingError(f"labeler.runtime is {wanted}: {reasons[0]}, or set labeler.runtime to auto")


def _import_litert() -> tuple[Any, str]:
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise RuntimeMissingError(f"LiteRT is not installed ({error}); install the package ai-edge-litert") from error
    except OSError as error:
        # LiteRT loads its native library explicitly, which fails here on a system with an older C library.
        raise RuntimeMissingError(f"LiteRT does not work on this system ({error}); install tflite-runtime") from error
    return Interpreter, f"LiteRT {getattr(ai_edge_litert, '__version__', '')}".strip()


def _import_tflite_runtime() -> tuple[Any, str]:
    # With numpy 2 its import succeeds, and Interpreter(…) then raises SystemError.
    if int(np.__version__.split(".")[0]) >= 2:
        raise RuntimeMissingError(
            f"tflite-runtime needs numpy 1, but numpy {np.__version__} is installed; install numpy<2, or use LiteRT"
        )
    try:
        import tflite_runtime
        from tflite_runtime.interpreter import Interpreter
    except (ImportError, OSError) as error:
        raise RuntimeMissingError(
            f"tflite-runtime is not installed ({error}); with Python 3.11, {suggest_install('tflite-runtime')}"
        ) from error
    return Interpreter, f"tflite-runtime {getattr(tflite_runtime, '__version__', '')}".strip()
