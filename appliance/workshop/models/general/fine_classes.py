"""Give a model the output that its names are sums of: one probability for each class.

The general labeler contains the probabilities of all 1,000 classes as the tensor CLASSES_TENSOR, and their names in
CLASSES_FILE, in the zip at its end. Both stay in the file wherever it is installed.
"""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

from appliance.bundle.bundle import Bundle, read_bundle, write_bundle
from appliance.errors import BundleError
from appliance.workshop.training.tflite_graph import Graph

CLASSES_TENSOR = "classes"
CLASSES_FILE = "classes.txt"
# The probability of a name is divided among its classes, so the threshold of the names would hide most of them.
FINE_THRESHOLD = 0.2


def read_fine_bundle(bundle: Bundle, folder: Path) -> Bundle:
    """Return a bundle that labels with the classes below the names.

    Args:
        bundle: A bundle with classes below its names.
        folder: Where the bundle is written.

    Raises:
        BundleError: The bundle has no classes below its labels.
    """
    content = bundle.read_model()
    classes = _read_classes(content)
    graph = Graph.parse(content, str(bundle.source))
    tensor = graph.find_tensor(CLASSES_TENSOR)
    if not classes or tensor is None:
        raise BundleError(
            f"{bundle.identity.name} has no finer classes than its labels; use --fine with bundled:general"
        )
    model = graph.pack(graph.cut(tensor), f"{bundle.identity.name}: classes")
    fine = dataclasses.replace(
        bundle,
        labels=classes,
        identity=dataclasses.replace(bundle.identity, sha256=hashlib.sha256(model).hexdigest()),
        confidence_threshold=FINE_THRESHOLD,
        label_thresholds={},
        background_label=None,
    )
    write_bundle(fine, folder, model)
    return dataclasses.replace(read_bundle(folder), source=bundle.source)


def _read_classes(content: bytes) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(archive.read(CLASSES_FILE).decode().splitlines())
    except (KeyError, UnicodeDecodeError, zipfile.BadZipFile):
        return ()
