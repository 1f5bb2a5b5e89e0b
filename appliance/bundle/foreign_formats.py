"""Recognize what a file or folder is, if it is not a TFLite model, and state how to get one from it.

The beginning of a file decides where the format has a signature: HDF5, zip, pickle, Git LFS, web pages. ONNX, Core ML,
and frozen TensorFlow graphs are protocol buffers without one, so the suffix of the file's name decides.
"""

import zipfile
from pathlib import Path

_TEACHABLE_MACHINE = "in Teachable Machine: Export, TensorFlow Lite, Floating point"
_KERAS = f"export it as TensorFlow Lite ({_TEACHABLE_MACHINE}; in Python: tf.lite.TFLiteConverter.from_keras_model)"
_SAVED_MODEL = "convert it to TensorFlow Lite, in Python: tf.lite.TFLiteConverter.from_saved_model"
_WEB = f"export it again as TensorFlow Lite ({_TEACHABLE_MACHINE})"
_PYTORCH = "export it as TensorFlow Lite with ai-edge-torch, in Python: ai_edge_torch.convert(…).export"

_SIGNATURES = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "in its repository, run: git lfs pull"),
    (b"\x89HDF\r\n\x1a\n", "a Keras model (HDF5)", _KERAS),
    (b"\x80\x02", "a PyTorch or pickle file", _PYTORCH),
    (b"\x1f\x8b", "a gzip archive", "unpack it, and give the .tflite in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it, and give the .tflite in it"),
    (b"Rar!", "a RAR archive", "unpack it, and give the .tflite in it"),
    (
        b"\x00asm",
        "a WebAssembly module, such as Edge Impulse's web export",
        "download its TensorFlow Lite export instead",
    ),
    (b"\x7fELF", "a Linux program, such as Edge Impulse's .eim", "download its TensorFlow Lite export instead"),
)
_SUFFIXES = {
    ".h5": ("a Keras model (HDF5)", _KERAS),
    ".hdf5": ("a Keras model (HDF5)", _KERAS),
    ".keras": ("a Keras model", _KERAS),
    ".onnx": ("an ONNX model", "convert it to TensorFlow Lite, for example with: onnx2tf -i MODEL.onnx"),
    ".pb": ("a TensorFlow graph", _SAVED_MODEL),
    ".pt": ("a PyTorch model", _PYTORCH),
    ".pth": ("a PyTorch model", _PYTORCH),
    ".ckpt": ("a checkpoint of a training", "export the trained model as TensorFlow Lite"),
    ".mlmodel": ("a Core ML model", "export the model as TensorFlow Lite instead"),
    ".mlpackage": ("a Core ML model", "export the model as TensorFlow Lite instead"),
    ".eim": ("a program of Edge Impulse", "download its TensorFlow Lite export instead"),
    ".safetensors": ("a file of weights", "export the model as TensorFlow Lite"),
    ".task": ("a MediaPipe task", "unzip it, and give the .tflite in it"),
}
# The files that identify the contents of a folder or a zip.
_TELLING_NAMES = {
    "saved_model.pb": f"a TensorFlow SavedModel; {_SAVED_MODEL}",
    "model.weights.h5": f"a Keras model; {_KERAS}",
    "data.pkl": f"a PyTorch model; {_PYTORCH}",
}
_MAX_ENTRIES = 200


def describe_file(head: bytes, name: str) -> str | None:
    """Describe a file that is not a TFLite model, with the remedy; None if it is not recognized.

    Args:
        head: The first bytes of the file, at least 512 unless it is shorter.
        name: The name of the file.
    """
    if head[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not a model; the server may have sent an error page instead"
    for signature, kind, remedy in _SIGNATURES:
        if head.startswith(signature):
            return f"{kind}; {remedy}"
    if entry := _SUFFIXES.get(Path(name).suffix.lower()):
        return f"{entry[0]}; {entry[1]}"
    return None


def describe_archive(path: Path) -> str | None:
    """Describe a zip that is a model of another format; None if it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()[:_MAX_ENTRIES]]
    except (OSError, zipfile.BadZipFile, ValueError, RuntimeError):
        return None
    return _describe_names(names)


def describe_folder(folder: Path) -> str | None:
    """Describe a folder without a TFLite model that contains a model of another format; None if it has none."""
    try:
        entries = sorted(folder.iterdir())[:_MAX_ENTRIES]
        if description := _describe_names([entry.name for entry in entries]):
            return description
        for entry in entries:
            if entry.is_file():
                with entry.open("rb") as file:
                    head = file.read(512)
                if description := describe_file(head, entry.name):
                    return f"{entry.name} is {description}"
    except OSError:
        return None
    return None


def _describe_names(names: list[str]) -> str | None:
    """Describe the contents of a folder or a zip by the names of its files."""
    base_names = {Path(name).name for name in names}
    suffixes = {Path(name).suffix.lower() for name in names}
    if ".tflite" in suffixes or ".lite" in suffixes:
        return None
    if "model.json" in base_names and ".bin" in suffixes:
        return f"it is a TensorFlow.js model for web pages; {_WEB}"
    for name, description in _TELLING_NAMES.items():
        if name in base_names:
            return f"it is {description}"
    if "manifest.json" not in base_names:
        for name in names:
            if (entry := _SUFFIXES.get(Path(name).suffix.lower())) is not None:
                return f"{Path(name).name} is {entry[0]}; {entry[1]}"
    return None
