"""Find the labels of a model: in the file that the manifest names, in the model, or in a file next to it.

Next to a model, text files of many names occur: licences, requirements, training logs, lists of validation pictures. A
file counts as a label file if its name suggests it and it has a line for each output of the model. If no name suggests
one, a single text file with the right number of lines is used, which is reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.bundle.label_file import parse_labels, strip_header
from appliance.bundle.tflite_metadata import MAX_LABEL_FILE_BYTES
from appliance.errors import BundleError, describe_unreadable

_SUFFIXES = (".txt", ".csv", ".names")
_NEVER = re.compile(r"licen[cs]e|copying|notice|readme|requirements|changelog", re.IGNORECASE)
_SUGGESTIVE = re.compile(r"label|class|dict", re.IGNORECASE)
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """The labels of a model as they are in their file.

    Attributes:
        labels: The labels in the order of the output.
        file: The name of the file.
        note: What is unusual about the choice of the file, for people; empty if nothing is.
    """

    labels: tuple[str, ...]
    file: str
    note: str = ""


def list_label_files(model_file: Path) -> list[Path]:
    """Return the text files next to a model that may contain its labels, the most likely first."""
    stem = model_file.stem
    usual = [f"{stem}.txt", f"{stem}_labels.txt", f"{stem}-labels.txt", "dict.txt", "labels.txt"]
    try:
        names = sorted(entry.name for entry in model_file.parent.iterdir() if _is_candidate(entry))
    except OSError as error:
        raise BundleError(describe_unreadable(model_file.parent, error)) from error
    suggestive = [name for name in names if _SUGGESTIVE.search(Path(name).stem) or stem.lower() in name.lower()]
    ordered = dict.fromkeys([name for name in usual if name in names] + suggestive + names)
    return [model_file.parent / name for name in ordered]


def find_labels(model_file: Path, outputs: int) -> FoundLabels | None:
    """Find the labels in a file next to a model.

    Args:
        model_file: The .tflite file.
        outputs: The number of scores that the model gives; 0 if it is unknown.

    Returns:
        The labels, or None if no file next to the model may contain them.

    Raises:
        BundleError: Such files exist, but none has the right number of labels, or several do.
    """
    candidates = [file for file in list_label_files(model_file) if is_suggestive(file, model_file)]
    others = [file for file in list_label_files(model_file) if file not in candidates]
    fitting, reasons = _read_fitting(candidates, outputs)
    if fitting:
        return _choose(fitting, model_file)
    if reasons:
        raise BundleError(reasons[0])
    fitting, _ = _read_fitting(others, outputs)
    if len(fitting) == 1 and outputs:
        return FoundLabels(
            fitting[0].labels,
            fitting[0].file,
            f"the labels are from {fitting[0].file}, the only file with a line per output",
        )
    return None


def is_suggestive(file: Path, model_file: Path) -> bool:
    """Return whether the name of a file suggests that it contains the labels of a model."""
    return bool(_SUGGESTIVE.search(file.stem)) or model_file.stem.lower() in file.name.lower()


def fits(labels: Sequence[str], outputs: int) -> bool:
    """Return whether a model with this many outputs (0: unknown) can have these labels; one can separate two labels."""
    return outputs in (0, len(labels)) or (outputs == 1 and len(labels) == 2)


def describe_misfit(source: str, labels: Sequence[str], outputs: int) -> str:
    """Describe a label file with the wrong number of labels."""
    hint = ""
    if abs(len(labels) - outputs) == 1:
        more, fewer = ("label file", "model") if len(labels) > outputs else ("model", "label file")
        hint = f"; perhaps the {more} has a class for the background that the {fewer} lacks"
    first = labels[0][:_SHOWN_CHARS] if labels else ""
    return (
        f"{source} has {len(labels)} labels (the first is {first!r}), but the model has {outputs} outputs; one of the "
        f"two files belongs to something else{hint}"
    )


def _is_candidate(entry: Path) -> bool:
    is_text = entry.suffix.lower() in _SUFFIXES and not entry.name.startswith(".")
    return is_text and not _NEVER.search(entry.stem) and entry.is_file()


def _read_fitting(files: Sequence[Path], outputs: int) -> tuple[list[FoundLabels], list[str]]:
    """Read label files; return those with the right number of labels, and why each other one is wrong."""
    fitting, reasons = [], []
    for file in files:
        source = f"{file.name} next to it"
        try:
            if file.stat().st_size > MAX_LABEL_FILE_BYTES:
                raise BundleError(f"{source} is larger than {MAX_LABEL_FILE_BYTES >> 20} MiB")
            labels = strip_header(parse_labels(file.read_bytes(), source), outputs)
        except OSError as error:
            reasons.append(describe_unreadable(file, error))
        except BundleError as error:
            reasons.append(str(error))
        else:
            if fits(labels, outputs):
                fitting.append(FoundLabels(labels, file.name))
            else:
                reasons.append(describe_misfit(source, labels, outputs))
    return fitting, reasons


def _choose(fitting: Sequence[FoundLabels], model_file: Path) -> FoundLabels:
    """Return the most likely file; several are no problem if they agree, or if one has the model's name."""
    first = fitting[0]
    is_usual = first.file in ("dict.txt", "labels.txt") or first.file.startswith(model_file.stem)
    if not is_usual and any(found.labels != first.labels for found in fitting[1:]):
        names = ", ".join(found.file for found in fitting[:5])
        raise BundleError(
            f"several files next to it may contain its labels ({names}); name one as labelsFile in a "
            "manifest.json, or remove the others"
        )
    return first
