"""A model whose answers can be worked out by head, pictures for it, and the command run on them."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from appliance.cli import main
from support.tiny_models import tiny_model


def bundle(folder: Path, labels: str = "red green blue", **manifest: object) -> Path:
    """A bundle whose scores are how red, green and blue a picture is, from 0 to 1."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(tiny_model("uint8", None))
    (folder / "dict.txt").write_text("\n".join(labels.split()) + "\n")
    said = {"modelType": "IMAGE_LABELING", "modelFile": "model.tflite", "labelsFile": "dict.txt", **manifest}
    (folder / "manifest.json").write_text(json.dumps(said))
    return folder


def png(red: float, green: float, blue: float) -> bytes:
    """A picture of one colour, whose scores are these (to 1/255)."""
    out = io.BytesIO()
    Image.fromarray(np.full((12, 16, 3), np.round(255 * np.array([red, green, blue])), np.uint8)).save(out, "PNG")
    return out.getvalue()


def pictures(folder: Path, shown: Mapping[str, list[tuple[float, float, float]]]) -> Path:
    """A dataset: label → the colours of its pictures."""
    for label, colours in shown.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number, colour in enumerate(colours):
            (folder / label / f"{number:03d}.png").write_bytes(png(*colour))
    return folder


def shades(label: str, count: int, low: float = 0.6, high: float = 0.95) -> list[tuple[float, float, float]]:
    """Pictures of one of the colours, from weak to strong, that are right at any threshold below `low`."""
    place = ("red", "green", "blue").index(label)
    strengths = np.linspace(low, high, count)
    return [tuple(float(strength) if at == place else 0.05 for at in range(3)) for strength in strengths]


def evaluate(capsys, *arguments: object) -> tuple[int, dict, str]:
    """Runs the command with --json: its status, its value, and what it said beside it."""
    status = main(["evaluate", *map(str, arguments), "--json"])
    out, said = capsys.readouterr()
    return status, json.loads(out) if out else {}, said
