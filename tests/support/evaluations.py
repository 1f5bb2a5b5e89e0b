"""A model whose scores can be computed by hand, pictures for it, and the `evaluate` command."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from appliance.cli import main
from support.tiny_models import tiny_model

Color = tuple[float, float, float]
_SHADES = 80


def make_bundle(folder: Path, labels: str = "red green blue", **manifest: object) -> Path:
    """Write a bundle whose scores are how red, green and blue a picture is, from 0 to 1."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(tiny_model("uint8", None))
    (folder / "dict.txt").write_text("\n".join(labels.split()) + "\n")
    values = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt", **manifest}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def make_png(red: float, green: float, blue: float) -> bytes:
    """Return a picture of one color, whose scores are these (to 1/255)."""
    out = io.BytesIO()
    Image.fromarray(np.full((12, 16, 3), np.round(255 * np.array([red, green, blue])), np.uint8)).save(out, "PNG")
    return out.getvalue()


def make_shades(label: str, count: int, low: float = 0.6, high: float = 0.95) -> list[Color]:
    """Return different pictures of one of the colors, from weak to strong, right at any threshold below `low`."""
    channel = ("red", "green", "blue").index(label)
    strengths = np.linspace(low, high, min(count, _SHADES)).tolist()
    # A channel has 256 values, so more pictures differ in the other channels.
    return [
        tuple(strengths[index % _SHADES] if each == channel else 0.05 + index // _SHADES / 255 for each in range(3))
        for index in range(count)
    ]


def write_pictures(folder: Path, colors_by_label: Mapping[str, list[Color]]) -> Path:
    """Write a dataset: label → the colors of its pictures."""
    for label, colors in colors_by_label.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index, color in enumerate(colors):
            (folder / label / f"{index:03d}.png").write_bytes(make_png(*color))
    return folder


def write_index(folder: Path, rows: Sequence[tuple[str, str, Color]]) -> Path:
    """Write a CSV index with one picture for each (split, label, color)."""
    lines = []
    for index, (split, label, color) in enumerate(rows):
        (folder / f"{index}.png").write_bytes(make_png(*color))
        lines.append(",".join([part for part in (split, f"{index}.png", label) if part]))
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    return folder / "index.csv"


def run_evaluate(capsys, *arguments: object) -> tuple[int, dict, str]:
    """Run the command with --json; return its exit status, its value and its standard error."""
    status = main(["evaluate", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else {}, err
